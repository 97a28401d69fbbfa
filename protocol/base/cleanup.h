#pragma once

/*
 * Ownership by attribute: a local declared with one of these releases its value when it goes out of scope.
 * `steal_ptr()` and `steal_fd()` transfer the ownership and leave NULL or -1 behind.
 */

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _autofree_          _cleanup_(cleanup_free)
#define _autoclose_         _cleanup_(cleanup_close)

/** For a `struct NAME` with `NAME_destroy()`: `_destroy_(NAME) struct NAME *x = NULL;` */
#define _destroy_(name) _cleanup_(name##_destroy_pointer)

/** Put after the declaration of `NAME_destroy()` to make `_destroy_(NAME)` work. */
#define DEFINE_DESTROY(name)                                                                       \
	static inline void name##_destroy_pointer(struct name **pointer)                           \
	{                                                                                          \
		name##_destroy(*pointer);                                                          \
	}                                                                                          \
	struct name

#define steal_ptr(pointer)                                                                         \
	({                                                                                         \
		__typeof__(pointer) stolen_ = (pointer);                                           \
		(pointer) = NULL;                                                                  \
		stolen_;                                                                           \
	})

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}
