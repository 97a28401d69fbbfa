#include "protocol/channel.h"

#include "protocol/base/clock.h"
#include "protocol/constants.h"
#include "protocol/limits.h"

#include <string.h>

static const char *const modality_names[MODALITY_COUNT] = {
	[MODALITY_SESSION] = "session",
	[MODALITY_SCREEN] = "screen",
	[MODALITY_INPUT] = "input",
	[MODALITY_SOUND] = "sound",
};

static const struct channel_kind channel_kinds[CHANNEL_END] = {
	[CHANNEL_STUDY] = {TOPIC_STUDY, "uxrec.Study", MODALITY_SESSION, true},
	[CHANNEL_EVENTS] = {TOPIC_EVENTS, "uxrec.SessionEvent", MODALITY_SESSION, true},
	[CHANNEL_CLOCK] = {TOPIC_CLOCK, "uxrec.ClockSample", MODALITY_SESSION, true},
	[CHANNEL_GAPS] = {TOPIC_GAPS, "uxrec.Gap", MODALITY_SESSION, false},
	[CHANNEL_ACTS] = {TOPIC_ACTS, "uxrec.Act", MODALITY_SESSION, false},
	[CHANNEL_SCREEN_INFO] = {TOPIC_SCREEN_INFO, "uxrec.Screen", MODALITY_SCREEN, true},
	[CHANNEL_SCREEN_KEYFRAMES] = {TOPIC_SCREEN_KEYFRAMES, "uxrec.Keyframe", MODALITY_SCREEN,
		false},
	[CHANNEL_SCREEN] = {TOPIC_SCREEN, "foxglove.CompressedVideo", MODALITY_SCREEN, false},
	[CHANNEL_POINTER] = {TOPIC_POINTER, "uxrec.PointerBatch", MODALITY_SCREEN, true},
	[CHANNEL_POINTER_SHAPE] = {TOPIC_POINTER_SHAPE, "uxrec.PointerShape", MODALITY_SCREEN,
		true},
	[CHANNEL_INPUT_DEVICES] = {TOPIC_INPUT_DEVICES, "uxrec.InputDevice", MODALITY_INPUT, false},
	[CHANNEL_CONTROLS] = {TOPIC_CONTROLS, "uxrec.ControlBatch", MODALITY_INPUT, false},
	[CHANNEL_KEY_CLASSES] = {TOPIC_KEY_CLASSES, "uxrec.KeyClassBatch", MODALITY_INPUT, false},
	[CHANNEL_KEYS] = {TOPIC_KEYS, "uxrec.KeyBatch", MODALITY_INPUT, false},
	[CHANNEL_SOUND_INFO] = {TOPIC_SOUND_INFO, "uxrec.Sound", MODALITY_SOUND, true},
	[CHANNEL_SOUND] = {TOPIC_SOUND, "foxglove.CompressedAudio", MODALITY_SOUND, false},
	[CHANNEL_SOUND_LEVELS] = {TOPIC_SOUND_LEVELS, "uxrec.SoundLevels", MODALITY_SOUND, false},
	[CHANNEL_MONITOR_INFO] = {TOPIC_MONITOR_INFO, "uxrec.Sound", MODALITY_SOUND, true},
	[CHANNEL_MONITOR] = {TOPIC_MONITOR, "foxglove.CompressedAudio", MODALITY_SOUND, false},
	[CHANNEL_MONITOR_LEVELS] = {TOPIC_MONITOR_LEVELS, "uxrec.SoundLevels", MODALITY_SOUND,
		false},
	[CHANNEL_KEY_POLICY] = {TOPIC_KEY_POLICY, "uxrec.KeyPolicy", MODALITY_INPUT, true},
	[CHANNEL_KEY_COUNTS] = {TOPIC_KEY_COUNTS, "uxrec.KeyCount", MODALITY_INPUT, false},
	[CHANNEL_SHORTCUTS] = {TOPIC_SHORTCUTS, "uxrec.ShortcutBatch", MODALITY_INPUT, false},
	[CHANNEL_KEYBOARD_LAYOUT] = {TOPIC_KEYBOARD_LAYOUT, "uxrec.KeyboardLayout", MODALITY_INPUT,
		true},
	[CHANNEL_CLICKED] = {TOPIC_CLICKED, "uxrec.ClickedObject", MODALITY_INPUT, false},
	[CHANNEL_SCREEN_PATCHES] = {TOPIC_SCREEN_PATCHES, "uxrec.ScreenPatches", MODALITY_SCREEN,
		false},
};

const char *modality_name(enum modality modality)
{
	return modality_names[modality];
}

int modality_find(const char *name)
{
	for (int m = 0; m < MODALITY_COUNT; m++)
		if (strcmp(modality_names[m], name) == 0)
			return m;
	return -1;
}

static bool text_is(struct view view, const char *text)
{
	return view.size_bytes == strlen(text) && memcmp(view.data, text, view.size_bytes) == 0;
}

enum modality modality_of_metadata(struct view pairs)
{
	while (pairs.size_bytes > 0 && !pairs.failed) {
		struct view key = view_read_string(&pairs), value = view_read_string(&pairs);

		for (unsigned m = 0; m < MODALITY_COUNT && text_is(key, "modality"); m++)
			if (text_is(value, modality_names[m]))
				return (enum modality)m;
	}
	return MODALITY_SESSION;
}

const struct channel_kind *channel_kind_get(uint16_t id)
{
	return id > 0 && id < CHANNEL_END ? &channel_kinds[id] : NULL;
}

int64_t channel_span_ns(uint16_t id)
{
	switch (id) {
	case CHANNEL_POINTER:
	case CHANNEL_CONTROLS:
	case CHANNEL_KEY_CLASSES:
	case CHANNEL_KEY_COUNTS:
	case CHANNEL_SHORTCUTS:
	case CHANNEL_KEYS: return SESSION_BATCH_SPAN_NS;
	case CHANNEL_SOUND:
	case CHANNEL_MONITOR: return SESSION_SOUND_SPAN_NS;
	case CHANNEL_SOUND_LEVELS:
	case CHANNEL_MONITOR_LEVELS: return SESSION_LEVELS_SPAN_NS;
	default: return 1;
	}
}

uint16_t channel_find(const char *topic)
{
	for (uint16_t id = 1; id < CHANNEL_END; id++)
		if (strcmp(channel_kinds[id].topic, topic) == 0)
			return id;
	return 0;
}

void session_clock_init(struct session_clock *clock)
{
	struct clock_sample sample = clock_sample_take();

	*clock = (struct session_clock){.utc_offset_ns = sample.wall_ns - sample.monotonic_ns};
}
