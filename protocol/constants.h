#pragma once

/*
 * Constants on which programs and pages agree. Each is a name with a text or a number, or a list of
 * rows: replay/web/build.mjs makes TypeScript of them, and refuses all else.
 */

/* Version of wire.proto: see Welcome.wire. */
#define WIRE_VERSION 1

/* Topics, named as their enum channel_id. */
#define TOPIC_STUDY            "/study"
#define TOPIC_EVENTS           "/session"
#define TOPIC_CLOCK            "/clock"
#define TOPIC_GAPS             "/gaps"
#define TOPIC_ACTS             "/acts"
#define TOPIC_SCREEN_INFO      "/screen/info"
#define TOPIC_SCREEN_KEYFRAMES "/screen/keyframes"
#define TOPIC_SCREEN           "/screen"
#define TOPIC_POINTER          "/pointer"
#define TOPIC_POINTER_SHAPE    "/pointer/shape"
#define TOPIC_INPUT_DEVICES    "/input/devices"
#define TOPIC_CONTROLS         "/input/controls"
#define TOPIC_KEY_CLASSES      "/input/keys"
#define TOPIC_KEYS             "/input/keys/full"
#define TOPIC_SOUND_INFO       "/sound/info"
#define TOPIC_SOUND            "/sound"
#define TOPIC_SOUND_LEVELS     "/sound/levels"
#define TOPIC_MONITOR_INFO     "/sound/monitor/info"
#define TOPIC_MONITOR          "/sound/monitor"
#define TOPIC_MONITOR_LEVELS   "/sound/monitor/levels"
#define TOPIC_KEY_POLICY       "/input/policy"
#define TOPIC_KEY_COUNTS       "/input/keys/counts"
#define TOPIC_SHORTCUTS        "/input/shortcuts"
#define TOPIC_KEYBOARD_LAYOUT  "/input/layout"
#define TOPIC_CLICKED          "/input/clicked"
#define TOPIC_SCREEN_PATCHES   "/screen/patches"

/* Parent of topics, in gaps only. */
#define FOLDER_INPUT "/input"

/* Part of a recording (LostTime.Part) by topic, with the topics below it; more specific ones first. */
#define GAP_FOLDERS(ROW)                                                                           \
	ROW(TOPIC_MONITOR, MACHINE_SOUND)                                                          \
	ROW(TOPIC_SOUND, SOUND)                                                                    \
	ROW(TOPIC_SCREEN, SCREEN)                                                                  \
	ROW(TOPIC_POINTER, POINTER)                                                                \
	ROW(TOPIC_CLICKED, NAMES)                                                                  \
	ROW(TOPIC_KEY_CLASSES, KEYS)                                                               \
	ROW(TOPIC_SHORTCUTS, KEYS)                                                                 \
	ROW(FOLDER_INPUT, INPUT)

/* Pages: last part of their path. "/" is the library, too. */
#define PAGE_LIBRARY  "library"
#define PAGE_LIVE     "live"
#define PAGE_MODERATE "moderate"
#define PAGE_REPLAY   "replay"

/* Letters of the pages, which no code of a study has; see CONTRIBUTING.md, "Keys". */
#define RESERVED_KEYS "efjklnrtz"
