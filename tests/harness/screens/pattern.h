#pragma once

#include "tests/harness/helpers.h"

#include "protocol/file/reader.h"

/* Packets that can be told from all others: what is read is compared with what was written. */

/** The next packet of a channel: size and bytes follow from channel and sequence number. */
struct packet *pattern_packet(struct session_clock *clock, uint16_t channel, int64_t time_ns);

/** Is this message as pattern_packet() made it? */
bool is_the_pattern(const struct reader_message *message);
