#include "protocol/base/error.h"

#include "protocol/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *reterr, int r, const char *format, ...)
{
	va_list args;

	if (!reterr)
		return r;
	va_start(args, format);
	if (vsnprintf(reterr->text, sizeof(reterr->text), format, args) >=
		(int)sizeof(reterr->text))
		utf8_trim(reterr->text);
	va_end(args);
	utf8_clean(reterr->text, false);
	return r;
}
