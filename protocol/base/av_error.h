#pragma once

#include <errno.h>

/*
 * Errors of libavcodec, libavformat and libavutil, without their headers: AVERROR(e) is -e, and FFmpeg's own codes are
 * large negative tags.
 */

/** @return a result of these libraries, with -EIO for FFmpeg's own codes */
static inline int from_av(int r)
{
	return r > -4096 ? r : -EIO;
}
