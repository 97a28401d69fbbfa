#pragma once

/*
 * Every bound on resources that a file or a peer can claim, with its reason. A declared length is
 * checked against these and against the file before any allocation.
 */

#include "protocol/base/clock.h"

/* Writer: chunks are closed when their packets together reach this size or time span. One second
 * bounds the loss when the recorder is killed; 1 MiB bounds the read for a seek. */
#define SESSION_CHUNK_BYTES   (1024 * 1024)
#define SESSION_CHUNK_SPAN_NS NS_PER_S

/* Upper bound on the time span of an event batch; range reads look back as far. */
#define SESSION_BATCH_SPAN_NS (250 * NS_PER_MS)

/* A pointer shape's pixels precede a message that refers to them by at most this; random access
 * looks back as far. */
#define SESSION_SHAPE_SPAN_NS (10 * NS_PER_S)

/* Time span of a sound packet: SOUND_FRAME_SAMPLES. */
#define SESSION_SOUND_SPAN_NS (20 * NS_PER_MS)
/* Encoder lookahead beyond the end of a packet: the encoder delay is 312 samples
 * (Sound.preskip), and the transform overlaps 2.5 ms into the next packet (RFC 6716, section
 * 4.3.7). */
#define SESSION_SOUND_REACH_NS (7 * NS_PER_MS)
/* Time span of a level message: five a second move a meter. */
#define SESSION_LEVELS_SPAN_NS (200 * NS_PER_MS)

/* Reader: an 8K picture coded without loss is about 50 MB, the largest legitimate chunk. */
#define READER_CHUNK_LIMIT_BYTES (64 * 1024 * 1024)
/* A day and a half at three chunks a second; their list takes 24 MB. */
#define READER_CHUNKS_LIMIT 400000
/* 400,000 chunk indexes of 150 bytes each. */
#define READER_SUMMARY_LIMIT_BYTES (64 * 1024 * 1024)
/* A disk that disconnects and returns all day. */
#define READER_SEGMENTS_LIMIT 1000
/* Metadata and attachments: our files have one per segment. */
#define READER_AUX_RECORDS_LIMIT 10000
/* Schemas and channels are named by hand. */
#define READER_CHANNELS_LIMIT     4096
#define READER_TEXT_LIMIT_BYTES   4096
#define READER_SCHEMA_LIMIT_BYTES (1024 * 1024)
/* Listed damages; further ones are only counted. */
#define READER_DAMAGES_LIMIT 100

/* Times beyond this (year 2116) are damage; differences of smaller ones never overflow. */
#define READER_TIME_LIMIT_NS (INT64_C(1) << 62)

/* Annotations: a human makes a few acts a minute; 100,000 are a year of daily work on one
 * session. */
#define ACT_LIMIT_BYTES         (64 * 1024)
#define ANNOTATIONS_LIMIT_BYTES (256 * 1024 * 1024)
/* Share of observers and reviewers; the rest is reserved for the moderator and the recorder. */
#define ANNOTATIONS_PEERS_BYTES (128 * 1024 * 1024)
/* Leaves one for the next act. */
#define ACT_COUNTER_LIMIT (UINT64_C(1) << 62)

/* A message from a peer: the largest legitimate one is a study file. */
#define WIRE_MESSAGE_LIMIT_BYTES (256 * 1024)
#define STUDY_LIMIT_BYTES        (128 * 1024)
#define NAME_LIMIT_BYTES         100

/* A transcript: an hour of speech is 60 KB of text and 1200 cues; a recogniser's output with
 * word timing is ten times that. Over the wire the bound is WIRE_MESSAGE_LIMIT_BYTES. */
#define TRANSCRIPT_LIMIT_BYTES (4 * 1024 * 1024)
#define TRANSCRIPT_CUES_LIMIT  50000
/* No session lasts a thousand hours, and times never overflow. */
#define TRANSCRIPT_HOURS_LIMIT 1000

/* A screen: several 4K monitors side by side are half of it. Display takes 8 bytes a pixel. */
#define SCREEN_LIMIT_PIXELS (64 * 1024 * 1024)
/* Non-pixel data in a patch's PNG file: palettes. */
#define PATCH_CHUNK_LIMIT_BYTES (64 * 1024)

/* Sound levels in steps of 200 ms: five days; the two lists take 4 MB. */
#define TIMELINE_LEVELS_LIMIT 2160000

/* Files in a session folder. */
#define SESSION_SEGMENT_NAME     "recording-%04u.mcap"
#define SESSION_SEGMENT_METADATA "uxrec.segment"
/* Ids of the session, in each of its files. */
#define SESSION_IDENTITY_METADATA "uxrec.session"
/* Identities of messages made by a copy: see copy_identity.h. */
#define SESSION_COPY_METADATA "uxrec.copy"
/* Present only after an interrupted erasure; replaces all segments. */
#define SESSION_ERASED_NAME "erased.mcap"
/* All acts about a session. */
#define SESSION_ANNOTATIONS_NAME "annotations.mcap"
/* The transcript, and its temporary file. */
#define SESSION_TRANSCRIPT_NAME     "transcript.vtt"
#define SESSION_TRANSCRIPT_NEW_NAME ".transcript.vtt.new"
