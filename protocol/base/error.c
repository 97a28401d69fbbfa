#include "protocol/base/error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *reterr, int r, const char *format, ...)
{
	va_list args;

	if (!reterr)
		return r;
	va_start(args, format);
	vsnprintf(reterr->text, sizeof(reterr->text), format, args);
	va_end(args);
	return r;
}
