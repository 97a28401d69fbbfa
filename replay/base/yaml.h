#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * A YAML file as a tree whose nodes know their places, and the problems of it. Nothing of YAML that makes one
 * text mean another is read: no anchors and aliases, no tags, no second document; a scalar is its text: "no",
 * "010" and "1:30" have none of the types of YAML 1.1.
 */

/** One problem, at a place of the file. */
struct yaml_problem {
	unsigned line, column; /* from 1, columns in characters; 0: of the whole file */
	bool warning;
	char text[280];
};

#define YAML_PROBLEMS_LISTED 20

/** All problems of a file; the first ones are listed. Zero-initialised is none. */
struct yaml_problems {
	struct yaml_problem listed[YAML_PROBLEMS_LISTED];
	size_t count; /* of those listed, in the order of their places after yaml_problems_sort() */
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
	bool whole; /* its end was read: false behind an error of syntax */
	bool bad;   /* a problem of it is known */
	unsigned line, column;
	char *text; /* of a scalar: UTF-8 without a 0 byte */
	size_t count;
	struct yaml_node *first, *last, *next; /* children; sibling */
	struct yaml_node *read_before;         /* all nodes of the file */
	void *made;                            /* the reader's result for this node; not owned */
};

struct yaml_document {
	struct yaml_node *root; /* NULL: without any content */
	struct yaml_node *nodes;
};

/**
 * Read a file's text. Up to an error of syntax all is read.
 *
 * @param ret  freed by yaml_finish(), also on failure
 * @return 0 or -ENOMEM; each error of the text is a problem
 */
int yaml_read(struct yaml_document *ret, const char *text, size_t size_bytes,
	struct yaml_problems *problems);
void yaml_finish(struct yaml_document *document);

/** @return the value of a mapping's key, or NULL. @param node  may be NULL or no mapping */
struct yaml_node *yaml_find(const struct yaml_node *node, const char *key);

/** Note an error at a node, which is bad then. @param node  NULL: of the whole file */
void yaml_error(struct yaml_problems *problems, struct yaml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void yaml_warn(struct yaml_problems *problems, const struct yaml_node *node, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/** Put the listed problems in the order of their places. */
void yaml_problems_sort(struct yaml_problems *problems);

/** The beginning of a problem's line: "FILE:LINE:COLUMN" or "FILE". */
void yaml_problem_place(
	char *ret, size_t room, const char *file_name, const struct yaml_problem *problem);

/** Write the errors that are listed as lines "FILE:LINE:COLUMN: text". @return allocated, or NULL without memory */
char *yaml_problems_text(const struct yaml_problems *problems, const char *file_name);
