#include "capture/doctor/doctor.h"
#include "protocol/base/terminal.h"

#include "capture/input/filter.h"
#include "capture/input/input.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/channel.h"
#include "protocol/schema.h"
#include "protocol/session.pb-c.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

/* Prints packets live. Pushed by one thread at a time: the source's, or before that this one. */
struct printer {
	struct packet_sink base;
	int64_t begin_ns; /* session time */
	int ended_fd;
	bool in_found;  /* the following events are found state, not actions */
	int32_t dx, dy; /* motion not printed yet */
};

static const char *const class_names[] = {"unknown", "letter", "digit", "space", "punctuation",
	"navigation", "editing", "modifier", "function", "media"};

static void __attribute__((format(printf, 3, 4)))
print_line(const struct printer *printer, int64_t time_ns, const char *format, ...)
{
	va_list args;

	printf("%7.3f s  ", (double)(time_ns - printer->begin_ns) / NS_PER_S);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* "CONTROL_BUTTON_LEFT" becomes "button left" */
static void print_control(
	const struct printer *printer, int64_t time_ns, int control, int32_t value)
{
	const ProtobufCEnumValue *known =
		protobuf_c_enum_descriptor_get_value(&uxrec__control__descriptor, control);
	char name[40];

	snprintf(name, sizeof(name), "%s", known ? known->name + strlen("CONTROL_") : "unknown");
	for (char *c = name; *c; c++)
		*c = *c == '_' ? ' ' : (char)(*c | 0x20);
	print_line(printer, time_ns, "%s %d%s", name, value,
		printer->in_found ? " (initial state)" : "");
}

static void print_motion(struct printer *printer, int64_t time_ns)
{
	if (printer->dx || printer->dy)
		print_line(printer, time_ns, "motion by %d, %d", printer->dx, printer->dy);
	printer->dx = printer->dy = 0;
}

static void print_controls(
	struct printer *printer, int64_t time_ns, const Uxrec__ControlBatch *batch)
{
	for (size_t i = 0; i < batch->n_control && i < batch->n_value && i < batch->n_dt_us; i++) {
		int control = (int)batch->control[i];

		time_ns += batch->dt_us[i] * NS_PER_US;
		switch (control) {
		case UXREC__CONTROL__CONTROL_FOUND: printer->in_found = true; break;
		case UXREC__CONTROL__CONTROL_FRAME: printer->in_found = false; break;
		case UXREC__CONTROL__CONTROL_REL_X: printer->dx += batch->value[i]; break;
		case UXREC__CONTROL__CONTROL_REL_Y: printer->dy += batch->value[i]; break;
		default:
			print_motion(printer, time_ns);
			print_control(printer, time_ns, control, batch->value[i]);
		}
	}
	print_motion(printer, time_ns);
}

static void print_classes(
	const struct printer *printer, int64_t time_ns, const Uxrec__KeyClassBatch *batch)
{
	char text[400] = "";
	size_t at = 0;

	for (size_t i = 0; i < batch->n_key_class && i < batch->n_action; i++)
		if (batch->action[i] == UXREC__KEY_ACTION__KEY_ACTION_PRESS &&
			(size_t)batch->key_class[i] < ARRAY_SIZE(class_names) &&
			at + 16 < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, " %s",
				class_names[batch->key_class[i]]);
	if (*text)
		print_line(printer, time_ns, "keys:%s", text);
}

static void print_policy(
	const struct printer *printer, int64_t time_ns, const Uxrec__KeyPolicy *policy)
{
	static const char *const levels[] = {"unknown", "none", "counts", "classes", "full"};
	bool password = policy->reason == UXREC__KEY_POLICY__REASON__REASON_PASSWORD;

	if ((size_t)policy->level < ARRAY_SIZE(levels))
		print_line(printer, time_ns, "key policy '%s'%s", levels[policy->level],
			password ? ": a password field has the focus" : "");
}

static void print_message(
	struct printer *printer, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message)
{
	const Uxrec__InputDevice *device = (const void *)message;
	const Uxrec__Gap *gap = (const void *)message;

	switch (channel) {
	case CHANNEL_INPUT_DEVICES:
		print_line(printer, time_ns, "%s %s: %s",
			device->n_kinds > 0 ? input_kind_name(device->kinds[0]) : "device",
			device->removed ? "removed" : "added", text_quote(device->name).text);
		break;
	case CHANNEL_CONTROLS: print_controls(printer, time_ns, (const void *)message); break;
	case CHANNEL_KEY_CLASSES: print_classes(printer, time_ns, (const void *)message); break;
	case CHANNEL_KEY_COUNTS:
		print_line(printer, time_ns, "keys: %u in 250 ms",
			((const Uxrec__KeyCount *)(const void *)message)->presses);
		break;
	case CHANNEL_KEY_POLICY: print_policy(printer, time_ns, (const void *)message); break;
	case CHANNEL_GAPS: print_line(printer, time_ns, "gap: %s", gap->detail); break;
	default: break;
	}
}

static void print_packet(struct packet_sink *sink, struct packet *packet)
{
	const struct channel_kind *kind = channel_kind_get(packet->channel);
	const ProtobufCMessageDescriptor *descriptor = kind ? schema_message(kind->schema) : NULL;
	ProtobufCMessage *message = descriptor
		? protobuf_c_message_unpack(
			  descriptor, NULL, packet_data_size(packet), packet_data(packet))
		: NULL;

	if (message) {
		print_message((struct printer *)sink, packet->channel, packet->time_ns, message);
		protobuf_c_message_free_unpacked(message, NULL);
		fflush(stdout);
	}
	packet_unref(packet);
}

static void end_showing(void *user, struct source *source, const char *reason)
{
	(void)source;
	log_error("%s", reason);
	eventfd_write(((struct printer *)user)->ended_fd, 1);
}

int doctor_show(const struct doctor_options *options, enum key_policy keys, int seconds,
	struct error *reterr)
{
	_destroy_(source) struct source *source = NULL;
	struct printer printer = {.base = {print_packet}, .ended_fd = eventfd(0, EFD_CLOEXEC)};
	struct session_clock clock;
	const struct source_context context = {
		.clock = &clock, .sink = &printer.base, .failed = end_showing, .user = &printer};
	const struct input_options input = {.source = options->input,
		.display = options->display,
		.helper = options->helper,
		.devices = options->devices,
		.keys = keys,
		.consent_id = ""};
	int r;

	session_clock_init(&clock);
	printer.begin_ns = session_clock_at(&clock, clock_now_ns());
	r = input_source_create(&source, &context, &input, reterr);
	if (r < 0)
		return r;
	printf("Type, click and move the pointer: for %d s, the input that would be recorded is "
	       "shown.\n",
		seconds);
	fflush(stdout);
	poll(&(struct pollfd){.fd = printer.ended_fd, .events = POLLIN}, 1, seconds * 1000);
	source_destroy(steal_ptr(source));
	close(printer.ended_fd);
	return 0;
}
