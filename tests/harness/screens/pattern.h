#pragma once

#include "tests/harness/helpers.h"

#include "protocol/file/reader.h"

/* Packets with unique content, to compare the messages read with those written. */

/** The next packet of a channel: size and bytes follow from channel and sequence number. */
struct packet *pattern_packet(struct session_clock *clock, uint16_t channel, int64_t time_ns);

/** True if this message is pattern_packet()'s. */
bool is_the_pattern(const struct reader_message *message);
