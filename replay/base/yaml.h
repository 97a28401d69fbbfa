#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * A YAML file as a tree of nodes with source positions, and the problems found in it. Ambiguous features of YAML are
 * not supported: no anchors and aliases, no tags, no second document. A scalar is its text: "no", "010" and "1:30"
 * have none of the types of YAML 1.1.
 */

/** One problem, with its position in the file. */
struct yaml_problem {
	unsigned line, column; /* from 1, columns in characters; 0: the whole file */
	bool warning;
	char text[280];
};

#define YAML_PROBLEMS_LISTED 20

/** All problems of a file; the first ones are listed. Zero-initialised is none. */
struct yaml_problems {
	struct yaml_problem listed[YAML_PROBLEMS_LISTED];
	size_t count; /* listed ones, sorted by position after yaml_problems_sort() */
	size_t errors, warnings;
};

enum yaml_kind {
	YAML_SCALAR,
	YAML_LIST,
	YAML_MAPPING, /* children: key, value, key, value, …; each key is a scalar */
};

struct yaml_node {
	enum yaml_kind kind;
	bool plain; /* a scalar without quotes */
	bool whole; /* false when cut off by a syntax error */
	bool bad;   /* has a problem */
	unsigned line, column;
	char *text; /* scalars only: UTF-8 without a 0 byte */
	size_t count;
	struct yaml_node *first, *last, *next; /* children; sibling */
	struct yaml_node *read_before;         /* list of all nodes of the file */
	void *made;                            /* the reader's result; not owned */
};

struct yaml_document {
	struct yaml_node *root; /* NULL: no content */
	struct yaml_node *nodes;
};

/**
 * Parse a YAML text. After a syntax error the nodes before it are kept.
 *
 * @param ret  freed by yaml_finish(), also on failure
 * @return 0 or -ENOMEM; each error in the text is a problem
 */
int yaml_read(struct yaml_document *ret, const char *text, size_t size_bytes,
	struct yaml_problems *problems);
void yaml_finish(struct yaml_document *document);

/** @return the value of a mapping's key, or NULL. @param node  may be NULL or not a mapping */
struct yaml_node *yaml_find(const struct yaml_node *node, const char *key);

/** Add an error and mark its node bad. @param node  NULL: the whole file */
void yaml_error(struct yaml_problems *problems, struct yaml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void yaml_warn(struct yaml_problems *problems, const struct yaml_node *node, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/** Sort the listed problems by position. */
void yaml_problems_sort(struct yaml_problems *problems);

/** Format the position of a problem: "FILE:LINE:COLUMN" or "FILE". */
void yaml_problem_place(
	char *ret, size_t room, const char *file_name, const struct yaml_problem *problem);

/** Format the listed errors as lines "FILE:LINE:COLUMN: text". @return allocated, or NULL without memory */
char *yaml_problems_text(const struct yaml_problems *problems, const char *file_name);
