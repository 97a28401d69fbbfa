/*
 * Runs inside the virtual machine with systemd as init: the input service as installed, two users logged in on two
 * consoles, keys by uinput.
 */

#include "tests/harness/helpers.h"
#include "tests/harness/inputd_peer.h"
#include "tests/harness/screens/desktop.h"

#include "capture/inputd/conf.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <fcntl.h>
#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <linux/vt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <systemd/sd-login.h>

#define ALICE 4001 /* on tty1 */
#define BOB   4002 /* on tty2 */

static const char preparing[] =
	"set -e\n"
	"install -D -m755 $UXREC_BUILD/uxrec-inputd /usr/local/libexec/uxrec/uxrec-inputd\n"
	"for unit in systemd/uxrec-inputd.*.in; do\n"
	"  sed s:@PREFIX@:/usr/local:g $unit >/run/systemd/system/$(basename $unit .in); done\n"
	"systemd-sysusers $PWD/systemd/uxrec-sysusers.conf\n"
	"useradd -M -d / -u 4001 alice; useradd -M -d / -u 4002 bob\n"
	"printf '%s\\n' 'account required pam_permit.so' 'auth required pam_permit.so' \\\n"
	"  'session required pam_systemd.so class=user type=tty' >/etc/pam.d/uxrec-vm\n"
	"for n in 1 2; do cat >/run/systemd/system/login$n.service <<X\n"
	"[Service]\n"
	"User=400$n\n"
	"PAMName=uxrec-vm\n"
	"TTYPath=/dev/tty$n\n"
	"StandardInput=tty-force\n"
	"StandardOutput=null\n"
	"ExecStart=/bin/sleep infinity\n"
	"X\n"
	"done\n"
	"systemctl daemon-reload\n"
	"for unit in pulseaudio pipewire wireplumber; do\n"
	"  ln -sf /dev/null /etc/systemd/user/$unit.service\n"
	"  ln -sf /dev/null /etc/systemd/user/$unit.socket; done\n"
	"systemctl start login1 login2 uxrec-inputd.socket\n"
	"for i in $(seq 60); do [ \"$(loginctl --no-legend | grep -c seat0)\" = 2 ] && exit; sleep 1; done\n"
	"exit 1\n";

static bool shell(const char *commands)
{
	_autofree_ char *output = NULL;

	if (run_child(&output, "bash", "-c", commands, NULL) == 0)
		return true;
	printf("# %s\n", output);
	return false;
}

/* Alice's session is on console 1, Bob's on console 2. Returns once logind knows, too, which may be later. */
static void bring_to_front(int console)
{
	_autoclose_ int fd = open("/dev/tty0", O_RDWR | O_CLOEXEC | O_NOCTTY);
	uid_t active = 0, wanted = console == 1 ? ALICE : BOB;

	check(fd >= 0 && ioctl(fd, VT_ACTIVATE, console) == 0 &&
		ioctl(fd, VT_WAITACTIVE, console) == 0);
	for (int i = 0; i < 600 && active != wanted; i++) {
		usleep(i > 0 ? 100000 : 0);
		sd_seat_get_active("seat0", NULL, &active);
	}
	check(active == wanted);
}

static struct libevdev_uinput *make_keyboard(const char *name)
{
	struct libevdev *evdev = libevdev_new();
	struct libevdev_uinput *keyboard;

	libevdev_set_name(evdev, name);
	for (unsigned code = KEY_ESC; code <= KEY_DELETE; code++)
		libevdev_enable_event_code(evdev, EV_KEY, code, NULL);
	check(libevdev_uinput_create_from_device(evdev, LIBEVDEV_UINPUT_OPEN_MANAGED, &keyboard) ==
		0);
	libevdev_free(evdev);
	check(shell("udevadm settle --timeout=30")); /* it names the node; watchers open it then */
	return keyboard;
}

static void press(struct libevdev_uinput *keyboard, unsigned code)
{
	for (int value = 1; value >= 0; value--) {
		check(libevdev_uinput_write_event(keyboard, EV_KEY, code, value) == 0 &&
			libevdev_uinput_write_event(keyboard, EV_SYN, SYN_REPORT, 0) == 0);
		sleep_ms(20);
	}
}

/* ---- a recorder ---- */

struct heard {
	size_t keys, gaps, removed;
	char text[400], names[2000], gap[200];
};

static void take(struct heard *heard, const struct peer_message *message)
{
	if (message->header.kind != INPUTD_PACKET) {
		snprintf(heard->text, sizeof(heard->text), "%.399s", message->data);
	} else if (message->header.channel == CHANNEL_KEY_CLASSES) {
		heard->keys++;
	} else if (message->header.channel == CHANNEL_GAPS) {
		Uxrec__Gap *gap = uxrec__gap__unpack(NULL, message->size_bytes, message->data);

		check(gap != NULL);
		heard->gaps++;
		snprintf(heard->gap, sizeof(heard->gap), "%s", gap->detail);
		uxrec__gap__free_unpacked(gap, NULL);
	} else if (message->header.channel == CHANNEL_INPUT_DEVICES) {
		Uxrec__InputDevice *device =
			uxrec__input_device__unpack(NULL, message->size_bytes, message->data);

		check(device != NULL);
		heard->removed += device->removed;
		strncat(heard->names, device->name,
			sizeof(heard->names) - strlen(heard->names) - 1);
		uxrec__input_device__free_unpacked(device, NULL);
	}
}

static bool has_answer(const struct heard *heard)
{
	return *heard->text;
}

static bool has_keys(const struct heard *heard)
{
	return heard->keys > 0;
}

static bool has_gap(const struct heard *heard)
{
	return heard->gaps > 0;
}

static bool has_name(const struct heard *heard)
{
	return *heard->names;
}

static bool has_removed(const struct heard *heard)
{
	return heard->removed > 0;
}

/* Receive until it has been quiet for a second: the machine is slow, so the wanted message has half a minute to
 * come. */
static struct heard listen_to(int fd, bool (*is_there)(const struct heard *heard))
{
	static struct peer_message message;
	struct heard heard = {0};

	for (int quiet = 0; quiet < (is_there && !is_there(&heard) ? 30 : 1);)
		if (peer_receive(fd, &message, 1000)) {
			take(&heard, &message);
			quiet = 0;
		} else {
			quiet++;
		}
	return heard;
}

static int ask(uid_t uid, enum key_policy keys)
{
	static const struct sockaddr_un address = {
		.sun_family = AF_UNIX, .sun_path = INPUTD_SOCKET_PATH};
	const struct inputd_request request = {
		.version = INPUTD_VERSION, .type = INPUTD_START, .keys = keys};
	int fd = peer_connect(uid, &address, sizeof(address));

	send(fd, &request, sizeof(request),
		MSG_NOSIGNAL); /* the service may have closed a refused connection already */
	return fd;
}

static bool is_refused(uid_t uid, enum key_policy keys, const char *why)
{
	_autoclose_ int fd = ask(uid, keys);

	return peer_hears(fd, INPUTD_FAILED, why) && peer_hears_end(fd);
}

/* ---- tests ---- */

static void only_who_has_the_seat_is_served(void)
{
	struct heard heard;
	int fd;

	check(shell(preparing));
	bring_to_front(1);
	expect(is_refused(0, KEY_POLICY_CLASSES, "user 0 has no session at the seat"));
	expect(is_refused(65534, KEY_POLICY_CLASSES, "user 65534 has no session at the seat"));
	expect(is_refused(BOB, KEY_POLICY_CLASSES, "user 4002 is not the active user at the seat"));
	fd = ask(ALICE, KEY_POLICY_CLASSES);
	heard = listen_to(fd, has_answer);
	printf("# %s\n", heard.text);
	expect(strstr(heard.text, "evdev: ") == heard.text);
	close(fd);
}

static void service_is_confined_as_its_unit_says(void)
{
	_autofree_ char *rss = NULL;

	expect(shell(
		"pid=$(systemctl show -P MainPID uxrec-inputd.service)\n"
		"cat /proc/$pid/status >/tmp/status\n"
		"is() { grep -qE \"^$1\" /tmp/status || { echo \"no $1\"; exit 1; }; }\n"
		"is \"Uid:\\s$(id -u uxrec-inputd)\\s\"\n"
		"is \"Gid:\\s$(getent group input | cut -d: -f3)\\s\"\n"
		"is 'CapEff:\\s0+$'; is 'CapBnd:\\s0+$'; is 'NoNewPrivs:\\s1'; is 'Seccomp:\\s2'\n"
		"chrt -p $pid | grep -q SCHED_FIFO\n"
		"rss=$(sed -n 's/VmRSS:\\s*\\([0-9]*\\).*/\\1/p' /tmp/status)\n"
		"echo $rss >/tmp/rss; [ $rss -le 8192 ]\n"));
	check(run_child(&rss, "cat", "/tmp/rss", NULL) == 0);
	printf("# uxrec-inputd has %d KiB\n", atoi(rss));
}

static void keys_and_new_devices_are_heard(void)
{
	struct libevdev_uinput *keyboard = make_keyboard("Alice's keyboard"), *second;
	struct heard heard;
	int fd = ask(ALICE, KEY_POLICY_CLASSES);

	heard = listen_to(fd, has_answer);
	expect(strstr(heard.names, "Alice's keyboard") != NULL);
	press(keyboard, KEY_A);
	expect(listen_to(fd, has_keys).keys > 0);
	second = make_keyboard("A second keyboard");
	expect(strstr(listen_to(fd, has_name).names, "A second keyboard") != NULL);
	press(second, KEY_B);
	expect(listen_to(fd, has_keys).keys > 0);
	libevdev_uinput_destroy(second);
	libevdev_uinput_destroy(keyboard);
	close(fd);
}

static void keys_of_another_session_are_not_heard(void)
{
	struct libevdev_uinput *keyboard = make_keyboard("One keyboard for both");
	struct heard heard;
	int fd = ask(ALICE, KEY_POLICY_CLASSES);

	heard = listen_to(fd, has_answer);
	expect(strstr(heard.text, "evdev: ") == heard.text);
	bring_to_front(2);
	expect(listen_to(fd, has_removed).removed > 0);
	for (int i = 0; i < 20; i++)
		press(keyboard, KEY_A + (unsigned)i % 9);
	heard = listen_to(fd, NULL);
	expect(heard.keys == 0 && !*heard.names);
	bring_to_front(1);
	heard = listen_to(fd, has_gap);
	expect(heard.keys == 0 && heard.gaps == 1);
	expect(strcmp(heard.gap, "another session had the seat") == 0);
	press(keyboard, KEY_A);
	expect(listen_to(fd, has_keys).keys > 0);
	libevdev_uinput_destroy(keyboard);
	close(fd);
}

/* Alice's recorder reads nothing while Bob's session is in front: it does not block his. */
static void a_recorder_that_lost_the_seat_gives_way(void)
{
	int fd = ask(ALICE, KEY_POLICY_CLASSES), other;

	expect(strstr(listen_to(fd, has_answer).text, "evdev: ") != NULL);
	expect(is_refused(BOB, KEY_POLICY_CLASSES, "another recorder (uid 4001)"));
	bring_to_front(2);
	other = ask(BOB, KEY_POLICY_CLASSES);
	expect(strstr(listen_to(other, has_answer).text, "evdev: ") != NULL);
	expect(is_refused(ALICE, KEY_POLICY_CLASSES, "another recorder (uid 4002)"));
	close(fd);
	close(other);
	bring_to_front(1);
}

/* ---- the recorder's own unit, under Alice's manager ---- */

static const char recording[] =
	"set -e\n"
	"install -D -m755 -t /usr/local/bin $UXREC_BUILD/uxrecd $UXREC_BUILD/uxrec\n"
	"install -D -m755 -t /usr/local/libexec/uxrec $UXREC_BUILD/uxrec-server "
	"$UXREC_BUILD/uxrec-worker\n"
	"install -D -m644 -t /usr/local/share/uxrec/web build/web/*\n"
	"mkdir -p /run/user/4001/systemd/user\n"
	"sed s:@PREFIX@/bin/uxrecd:'/usr/local/bin/uxrecd --screen test --fps 2 --sound none --library "
	"%t/library':g systemd/uxrecd.service.in >/run/user/4001/systemd/user/uxrecd.service\n"
	"for unit in uxrec-server.socket uxrec-server@.service; do\n"
	"  sed s:@PREFIX@:/usr/local:g systemd/$unit.in >/run/user/4001/systemd/user/$unit; done\n"
	"chown -R alice: /run/user/4001/systemd\n"
	"printf 'study: VM\\n' >/tmp/vm.yaml; chmod 644 /tmp/vm.yaml\n"
	"as() { setpriv --reuid alice --regid alice --init-groups env HOME=/run/user/4001 "
	"  XDG_RUNTIME_DIR=/run/user/4001 \"$@\"; }\n"
	"as systemctl --user daemon-reload\n"
	"as systemctl --user start uxrecd\n"
	"grep -q '^moderate http' /run/user/4001/uxrec/links\n"
	"[ $(stat -c %a:%u /run/user/4001/uxrec) = 700:4001 ]\n"
	"[ $(stat -c %a:%u /run/user/4001/uxrec/links) = 600:4001 ]\n"
	"as uxrec start --study /tmp/vm.yaml --participant P1 --consent paper >/tmp/session\n"
	"sleep 3\n"
	"pid=$(as systemctl --user show -P MainPID uxrecd)\n"
	"cat /proc/$pid/status >/tmp/status\n"
	"is() { grep -qE \"^$1\" /tmp/status || { echo \"no $1\"; exit 1; }; }\n"
	"is 'NoNewPrivs:\\s1'; is 'Seccomp:\\s2'\n"
	"[ $(cat /proc/$pid/coredump_filter) = 00000000 ]\n"
	/* the server of the pages: a service of its own, confined, and of no weight for the recorder */
	"server() { as systemctl --user show -P MainPID 'uxrec-server@*' | grep -vE '^0?$' | head -n 1; }\n"
	"server=$(server)\n"
	"cat /proc/$server/status >/tmp/status\n"
	"is 'NoNewPrivs:\\s1'; is 'Seccomp:\\s2'; is 'CapEff:\\s0*$'; is 'CapBnd:\\s0*$'\n"
	"grep -q 'uxrec-server@' /proc/$server/cgroup\n"
	"[ $(cat /proc/$server/oom_score_adj) = 500 ]\n"
	"[ $(as systemctl --user show -P MemoryMax 'uxrec-server@*') = 2147483648 ]\n"
	"[ $(readlink /proc/$server/ns/net) != $(readlink /proc/$pid/ns/net) ]\n"
	"link=$(sed -n 's/^live //p' /run/user/4001/uxrec/links)\n"
	"page() { exec 5<>/dev/tcp/127.0.0.1/$(echo $link | grep -oP ':\\K[0-9]+'); \n"
	"  printf 'GET /live HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' >&5\n"
	"  read -r -u5 line; exec 5>&-; echo \"$line\" | grep -q ' 200 '; }\n"
	"page\n"
	"kill -9 $server\n"
	"page\n"
	"[ $(server) != $server ]\n"
	"as systemd-analyze --user security --no-pager 'uxrec-server@*' | tail -n 1\n"
	"as systemd-analyze --user security --threshold=20 --no-pager "
	"$(as systemctl --user list-units --no-legend --plain 'uxrec-server@*' | awk '{ print $1; exit }')"
	" >/dev/null\n"
	"as uxrec status\n"
	"as uxrec status | grep -q '^recording'\n"
	"as uxrec stop\n"
	"as uxrec verify /run/user/4001/library/$(cat /tmp/session)\n"
	"as systemctl --user stop uxrecd\n"
	"[ $(as systemctl --user show -P Result uxrecd) = success ]\n"
	"journalctl -b --no-pager _UID=4001 | tail -n 20\n"
	"! journalctl -b --no-pager _UID=4001 | grep -iE 'uxrecd.*(ignoring|not supported|failed)'\n";

static void the_recorder_works_as_its_unit_confines_it(void)
{
	/* a dozen programs under a user manager: minutes on a busy host without KVM */
	struct child child = start_child("bash", (const char *const[]){"-c", recording, NULL});
	int r = wait_child(&child, 900);
	_autofree_ char *output = child_output(&child);
	char *rest = NULL;

	if (r < 0)
		end_child(&child, SIGKILL);

	for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		printf("# %s\n", line);
	expect(r == 0);
}

#define LOCK                                                                                       \
	"busctl call org.freedesktop.login1 "                                                      \
	"$(busctl call org.freedesktop.login1 /org/freedesktop/login1 "                            \
	"org.freedesktop.login1.Manager GetSession s "                                             \
	"$(loginctl show-user alice -P Display || loginctl list-sessions --no-legend | "           \
	"awk '/alice/ { print $1 }') | cut -d'\"' -f2) "                                           \
	"org.freedesktop.login1.Session SetLockedHint b "

static void keys_at_the_lock_screen_are_not_heard(void)
{
	struct libevdev_uinput *keyboard = make_keyboard("Keyboard at the lock");
	struct heard heard;
	int fd = ask(ALICE, KEY_POLICY_CLASSES);

	heard = listen_to(fd, has_answer);
	expect(strstr(heard.text, "evdev: ") == heard.text);
	check(shell(LOCK "true"));
	expect(listen_to(fd, has_removed).removed > 0);
	press(keyboard, KEY_A);
	expect(listen_to(fd, NULL).keys == 0);
	check(shell(LOCK "false"));
	heard = listen_to(fd, has_gap);
	expect(heard.keys == 0 && strcmp(heard.gap, "the session was locked") == 0);
	press(keyboard, KEY_A);
	expect(listen_to(fd, has_keys).keys > 0);
	libevdev_uinput_destroy(keyboard);
	close(fd);
}

static void limits_of_the_administrator_hold(void)
{
	int fd;

	check(shell("echo 'keys = counts' >" INPUTD_CONF_PATH));
	expect(is_refused(ALICE, KEY_POLICY_CLASSES, "allows the key policy counts at most"));
	check(shell("echo 'keys = many' >" INPUTD_CONF_PATH));
	expect(is_refused(ALICE, KEY_POLICY_NONE, "inputd.conf:1: keys 'many': must be one of"));
	check(shell("rm " INPUTD_CONF_PATH));
	fd = ask(ALICE, KEY_POLICY_CLASSES);
	expect(strstr(listen_to(fd, has_answer).text, "evdev: ") != NULL);
	close(fd);
}

static const struct test tests[] = {
	{"only the user with the seat is served", only_who_has_the_seat_is_served},
	{"the service is confined as its unit declares", service_is_confined_as_its_unit_says},
	{"keys are read, and devices that are plugged in", keys_and_new_devices_are_heard},
	{"keys of another session are not read", keys_of_another_session_are_not_heard},
	{"keys at the lock screen are not read", keys_at_the_lock_screen_are_not_heard},
	{"a recorder that lost the seat gives way", a_recorder_that_lost_the_seat_gives_way},
	{"the recorder works as its unit confines it", the_recorder_works_as_its_unit_confines_it},
	{"limits of the administrator hold", limits_of_the_administrator_hold},
};

int main(void)
{
	int failed = RUN_TESTS("service", tests);

	if (failed > 0 &&
		system("journalctl -b --no-pager -o short-monotonic >/vm-out/journal") != 0)
		failed++;
	return failed;
}
