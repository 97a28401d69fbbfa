#pragma once

/*
 * Every bound on what a file or a peer may make the program do, with its reason. A declared length
 * is checked against these and against the file before anything is allocated.
 */

#include "protocol/base/clock.h"

/* Writer: chunks are closed when their packets are this large or span this much time together. One
 * second bounds what a killed recorder loses; 1 MiB bounds what a seek has to read. */
#define SESSION_CHUNK_BYTES   (1024 * 1024)
#define SESSION_CHUNK_SPAN_NS NS_PER_S

/* A batch of events spans at most this: a range read looks back as far. */
#define SESSION_BATCH_SPAN_NS (250 * NS_PER_MS)

/* The pixels of a pointer's shape are at most this before a message that refers to them: a reader of a moment looks back as far. */
#define SESSION_SHAPE_SPAN_NS (10 * NS_PER_S)

/* A packet of sound spans this: SOUND_FRAME_SAMPLES of it. */
#define SESSION_SOUND_SPAN_NS (20 * NS_PER_MS)
/* When it was made, the encoder had heard this much more: it is 312 samples behind (Sound.preskip), and
 * the transform overlaps 2.5 ms into the next packet (RFC 6716, section 4.3.7). */
#define SESSION_SOUND_REACH_NS (7 * NS_PER_MS)
/* And a message of how loud it was, this: five a second move a meter. */
#define SESSION_LEVELS_SPAN_NS (200 * NS_PER_MS)

/* Reader: a 8K picture coded without loss is about 50 MB; nothing honest is larger. */
#define READER_CHUNK_LIMIT_BYTES (64 * 1024 * 1024)
/* One day and a half of three chunks a second; the list of them takes 24 MB. */
#define READER_CHUNKS_LIMIT 400000
/* 400,000 chunk indexes of 150 bytes each. */
#define READER_SUMMARY_LIMIT_BYTES (64 * 1024 * 1024)
/* A disk that comes and goes all day. */
#define READER_SEGMENTS_LIMIT 1000
/* Metadata and attachments: ours has one a segment. */
#define READER_EXTRAS_LIMIT 10000
/* Schemas and channels are named one by one by people. */
#define READER_CHANNELS_LIMIT     4096
#define READER_TEXT_LIMIT_BYTES   4096
#define READER_SCHEMA_LIMIT_BYTES (1024 * 1024)
/* Damages that are listed one by one; the rest are counted. */
#define READER_DAMAGES_LIMIT 100

/* Times beyond this (year 2116) are damage; differences of the rest never overflow. */
#define READER_TIME_LIMIT_NS (INT64_C(1) << 62)

/* Annotations: a human makes a few acts a minute; 100,000 are a year of daily work on one session. */
#define ACT_LIMIT_BYTES         (64 * 1024)
#define ANNOTATIONS_LIMIT_BYTES (256 * 1024 * 1024)
/* of which observers and reviewers may fill this much: the rest is for the moderator and the recorder */
#define ANNOTATIONS_PEERS_BYTES (128 * 1024 * 1024)
/* one more is always there for the next act */
#define ACT_COUNTER_LIMIT (UINT64_C(1) << 62)

/* A message from a peer: the largest honest one is a study file. */
#define WIRE_MESSAGE_LIMIT_BYTES (256 * 1024)
#define STUDY_LIMIT_BYTES        (128 * 1024)
#define NAME_LIMIT_BYTES         100

/* A transcript: an hour of speech is 60 KB of text and 1200 cues; what a recogniser makes of each word is
 * ten times that. Over the wire WIRE_MESSAGE_LIMIT_BYTES is the bound. */
#define TRANSCRIPT_LIMIT_BYTES (4 * 1024 * 1024)
#define TRANSCRIPT_CUES_LIMIT  50000
/* No session has a thousand hours, and a time never overflows. */
#define TRANSCRIPT_HOURS_LIMIT 1000

/* A screen: several monitors of 4K beside each other are half of it. Showing it takes 8 bytes a pixel. */
#define SCREEN_LIMIT_PIXELS (64 * 1024 * 1024)
/* Of a patch, what its PNG file says beside pixels: palettes. */
#define PATCH_CHUNK_LIMIT_BYTES (64 * 1024)

/* How loud it was, in steps of 200 ms: five days, of which the two lists take 4 MB. */
#define TIMELINE_LEVELS_LIMIT 2160000

/* The files of a session's folder. */
#define SESSION_SEGMENT_NAME     "recording-%04u.mcap"
#define SESSION_SEGMENT_METADATA "uxrec.segment"
/* Ids of the session, in each of its files. */
#define SESSION_IDENTITY_METADATA "uxrec.session"
/* Which messages a copy has made: see copy_identity.h. */
#define SESSION_COPY_METADATA "uxrec.copy"
/* There only when an erasing was interrupted: it stands for all segments. */
#define SESSION_ERASED_NAME "erased.mcap"
/* All acts about a session. */
#define SESSION_ANNOTATIONS_NAME "annotations.mcap"
/* What was said, and the same while it is being written. */
#define SESSION_TRANSCRIPT_NAME     "transcript.vtt"
#define SESSION_TRANSCRIPT_NEW_NAME ".transcript.vtt.new"
