#include "capture/inputd/conf.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BLANKS " \t"

enum key {
	KEY_NAME_KEYS,
	KEY_NAME_SHORTCUTS,
	KEY_NAME_DEVICES,
	KEY_NAME_COUNT,
};

static const char *const key_names[KEY_NAME_COUNT] = {"keys", "shortcuts", "devices"};

/* ---- parsing ---- */

static char *strip(char *text)
{
	size_t size;

	text += strspn(text, BLANKS);
	size = strlen(text);
	while (size > 0 && strchr(BLANKS, text[size - 1]))
		text[--size] = '\0';
	return text;
}

static int set(struct inputd_conf *conf, enum key key, const char *value, struct error *reterr)
{
	switch (key) {
	case KEY_NAME_KEYS:
		if (key_policy_parse(value, &conf->keys) < 0)
			return error_set(reterr, -EINVAL,
				"keys '%s': must be one of " KEY_POLICY_NAMES,
				text_quote(value).text);
		return 0;
	case KEY_NAME_SHORTCUTS:
		conf->shortcuts = strcmp(value, "yes") == 0;
		if (!conf->shortcuts && strcmp(value, "no") != 0)
			return error_set(reterr, -EINVAL, "shortcuts '%s': must be yes or no",
				text_quote(value).text);
		return 0;
	case KEY_NAME_DEVICES:
		conf->has_devices = true;
		return *value ? input_filter_parse(&conf->devices, value, reterr)
			      : error_set(reterr, -EINVAL, "devices: the list is empty");
	case KEY_NAME_COUNT: break;
	}
	return error_set(reterr, -EINVAL, "no such key");
}

/* @param seen  bits of the keys set by earlier lines */
static int parse_line(struct inputd_conf *conf, char *line, unsigned *seen, struct error *reterr)
{
	char *equals = strchr(line, '='), *name;

	for (const char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\t')
			return error_set(reterr, -EINVAL, "a control character");
	if (*strip(line) == '\0' || *strip(line) == '#')
		return 0;
	if (!equals)
		return error_set(reterr, -EINVAL, "'%s' is not of the form key = value",
			text_quote(strip(line)).text);
	*equals = '\0';
	name = strip(line);
	for (int key = 0; key < KEY_NAME_COUNT; key++) {
		if (strcmp(name, key_names[key]) != 0)
			continue;
		if (*seen & 1u << key)
			return error_set(reterr, -EINVAL, "'%s' is set twice", name);
		*seen |= 1u << key;
		return set(conf, (enum key)key, strip(equals + 1), reterr);
	}
	return error_set(reterr, -EINVAL, "unknown key '%s'", text_quote(name).text);
}

int inputd_conf_parse(struct inputd_conf *conf, const char *text, size_t size_bytes,
	const char *name, struct error *reterr)
{
	_autofree_ char *copy = malloc(size_bytes + 1);
	struct inputd_conf changed = *conf;
	unsigned seen = 0, number = 1;

	if (!copy)
		return error_set(reterr, -ENOMEM, "out of memory");
	if (size_bytes > 0)
		memcpy(copy, text, size_bytes);
	copy[size_bytes] = '\0';
	if (strlen(copy) != size_bytes)
		return error_set(reterr, -EINVAL, "%s: not a text file", name);
	for (char *rest = copy, *line; (line = strsep(&rest, "\n")); number++) {
		struct error why;
		int r = parse_line(&changed, line, &seen, &why);

		if (r < 0)
			return error_set(reterr, r, "%s:%u: %s", name, number, why.text);
	}
	*conf = changed;
	return 0;
}

/* ---- reading the file ---- */

/* O_NONBLOCK: a FIFO in place of the file must not block this program */
#define OPEN_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int check_file(int fd, const char *path, struct error *reterr)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(reterr, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return error_set(reterr, -EPERM, "%s is not a regular file", path);
	if (status.st_uid != 0)
		return error_set(reterr, -EPERM, "%s belongs to user %u and not to root", path,
			status.st_uid);
	if (status.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(reterr, -EPERM, "%s is writable by users other than root", path);
	return 0;
}

int inputd_conf_read(struct inputd_conf *ret, const char *path, bool service, struct error *reterr)
{
	static const struct inputd_conf unlimited = {.keys = KEY_POLICY_FULL, .shortcuts = true};
	/* the user served has seat0: exclude the devices of other seats */
	struct inputd_conf conf = {
		.keys = KEY_POLICY_CLASSES, .has_devices = service, .devices.seat = "seat0"};
	_autofree_ char *text = malloc(INPUTD_CONF_LIMIT_BYTES + 1);
	_autoclose_ int fd = open(path, OPEN_FLAGS);
	ssize_t n;
	int r;

	if (!text)
		return error_set(reterr, -ENOMEM, "out of memory");
	if (fd < 0 && errno == ENOENT) {
		*ret = service ? conf : unlimited;
		return 0;
	}
	if (fd < 0)
		return error_set(reterr, -errno, "%s: %s", path,
			errno == ELOOP ? "it is a symbolic link; links are not followed"
				       : strerror(errno));
	r = check_file(fd, path, reterr);
	if (r < 0)
		return r;
	n = io_pread_full(fd, text, INPUTD_CONF_LIMIT_BYTES + 1, 0);
	if (n < 0)
		return error_set(reterr, (int)n, "%s: %s", path, strerror((int)-n));
	if (n > INPUTD_CONF_LIMIT_BYTES)
		return error_set(reterr, -EFBIG, "%s is larger than %d bytes", path,
			INPUTD_CONF_LIMIT_BYTES);
	r = inputd_conf_parse(&conf, text, (size_t)n, path, reterr);
	if (r == 0)
		*ret = conf;
	return r;
}

int inputd_conf_allows(
	const struct inputd_conf *conf, enum key_policy keys, bool shortcuts, struct error *reterr)
{
	if (keys > conf->keys)
		return error_set(reterr, -EACCES,
			"the administrator of this machine allows the key policy %s at most, not "
			"%s (" INPUTD_CONF_PATH ")",
			key_policy_name(conf->keys), key_policy_name(keys));
	if (shortcuts && !conf->shortcuts)
		return error_set(reterr, -EACCES,
			"the administrator of this machine does not allow recording shortcuts "
			"(" INPUTD_CONF_PATH ")");
	return 0;
}
