#pragma once

/* JSON values for --json, and their one output format. */

#include <json-c/json.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdio.h>

/** A string from a file, possibly not UTF-8 (utf8_clean()), as a JSON string; NULL without memory. */
struct json_object *json_text(const char *text);

/**
 * Any protobuf message as JSON: field names as in the .proto, enums by name without the common prefix in lower case,
 * 64-bit integers as numbers, bytes as their count. Unset fields are omitted.
 */
struct json_object *json_of_message(const ProtobufCMessage *message);

/**
 * Any protobuf message as ProtoJSON (protobuf documentation, "ProtoJSON Format"): names in lowerCamelCase, enums by
 * name, 64-bit integers as strings, bytes in base64, defaults omitted.
 */
struct json_object *json_of_message_standard(const ProtobufCMessage *message);

/** Print one document on one line of standard output and free it. */
void json_print_line(struct json_object *document);

/** Write one document in the format of json_print() and free it. */
void json_write(FILE *out, struct json_object *document);

/** Print one document on standard output and free it. */
void json_print(struct json_object *document);

/** An array printed element by element, in the format of json_print(). */
struct json_list {
	bool has_elements;
};

void json_list_begin(struct json_list *list);

/** Print an element and free it. */
void json_list_add(struct json_list *list, struct json_object *element);
void json_list_end(const struct json_list *list);
