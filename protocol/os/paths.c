#include "protocol/os/paths.h"

#include "protocol/base/cleanup.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* the folder of the running program */
static int own_folder(char *folder, size_t room)
{
	ssize_t n = readlink("/proc/self/exe", folder, room - 1);
	char *slash;

	if (n <= 0)
		return -1;
	folder[n] = '\0';
	slash = strrchr(folder, '/');
	if (!slash)
		return -1;
	*slash = '\0';
	return 0;
}

/* Search a file in places relative to the program. @return the path of the first match */
static char *find(const char *const *places, size_t count, const char *file)
{
	char folder[PATH_MAX], *path;

	if (own_folder(folder, sizeof(folder)) < 0)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (asprintf(&path, "%s/%s/%s", folder, places[i], file) < 0)
			return NULL;
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* As find(), but return the folder of the file. */
static char *find_folder(const char *const *places, size_t count, const char *file)
{
	char *path = find(places, count, file);

	if (path)
		*strrchr(path, '/') = '\0';
	return path;
}

char *paths_helper(const char *name)
{
	static const char *const places[] = {".", "../libexec/uxrec"};

	return find(places, ARRAY_SIZE(places), name);
}

char *paths_web(void)
{
	/* a build variant is one folder deeper and shares the pages */
	static const char *const places[] = {"web", "../web", "../share/uxrec/web"};

	return find_folder(places, ARRAY_SIZE(places), "index.html");
}

char *paths_examples(void)
{
	static const char *const places[] = {
		"../daemon/demo", "../../daemon/demo", "../share/uxrec/studies"};

	return find_folder(places, ARRAY_SIZE(places), "demo.yaml");
}

/* NULL without $HOME: a folder at a fixed place in /tmp may belong to somebody else */
static char *in_home(const char *variable, const char *usual)
{
	const char *folder = getenv(variable), *home = getenv("HOME");
	char *path;
	int n = -1;

	if (folder && *folder)
		n = asprintf(&path, "%s/uxrec", folder);
	else if (home && *home)
		n = asprintf(&path, "%s/%s/uxrec", home, usual);
	return n < 0 ? NULL : path;
}

char *paths_library(void)
{
	return in_home("XDG_DATA_HOME", ".local/share");
}

char *paths_state(void)
{
	return in_home("XDG_STATE_HOME", ".local/state");
}

char *paths_control(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *path;
	int n = runtime && *runtime ? asprintf(&path, "%s/uxrec/control", runtime)
				    : asprintf(&path, "/tmp/uxrec-%u/control", (unsigned)geteuid());

	return n < 0 ? NULL : path;
}
