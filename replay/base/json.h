#pragma once

/* Values for --json, and the one way they are printed. */

#include <json-c/json.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdio.h>

/** A text of a file, whose bytes may be no UTF-8 (utf8_clean()), as a string; NULL without memory. */
struct json_object *json_text(const char *text);

/**
 * Any protobuf message as JSON: field names as in the .proto, enums by the part of their name behind
 * the common prefix in lower case, 64-bit integers as numbers, bytes as their count. Fields that are
 * not set are left out.
 */
struct json_object *json_of_message(const ProtobufCMessage *message);

/**
 * Any protobuf message in the JSON of the protobuf documentation ("ProtoJSON Format"): names in
 * lowerCamelCase, enums by name, 64-bit integers as strings, bytes in base64, defaults left out.
 */
struct json_object *json_of_message_standard(const ProtobufCMessage *message);

/** Print one document on one line of standard output and free it. */
void json_print_line(struct json_object *document);

/** Write one document as json_print() does and free it. */
void json_write(FILE *out, struct json_object *document);

/** Print one document on standard output and free it. */
void json_print(struct json_object *document);

/** A list that is printed element by element, as json_print() prints an array. */
struct json_list {
	bool has_elements;
};

void json_list_begin(struct json_list *list);

/** Print an element and free it. */
void json_list_add(struct json_list *list, struct json_object *element);
void json_list_end(const struct json_list *list);
