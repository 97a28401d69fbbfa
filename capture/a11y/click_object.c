#include "capture/a11y/click_internal.h"

/* Maximum number of ancestors tried. */
#define CLIMB 4

/* GTK 4 reports the content box of its widgets. */
#define PADDING_PX 16

static int on_role(sd_bus_message *message, void *user, sd_bus_error *error);

static int on_application_name(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	const char *name;

	(void)error;
	if (!click_is_error(message) && sd_bus_message_read(message, "v", "s", &name) > 0)
		a11y_name_copy(job->application_name, name);
	click_finish(job);
	return 0;
}

static int on_label_name(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	const char *name;

	(void)error;
	if (!click_is_error(message) && sd_bus_message_read(message, "v", "s", &name) > 0)
		a11y_name_copy(job->name, name);
	click_query_of(job, METHOD_NAME, &job->application, on_application_name);
	return 0;
}

static bool read_label(sd_bus_message *message, struct a11y_object *ret)
{
	uint32_t relation;

	if (sd_bus_message_enter_container(message, 'a', "(ua(so))") <= 0)
		return false;
	while (sd_bus_message_enter_container(message, 'r', "ua(so)") > 0) {
		if (sd_bus_message_read(message, "u", &relation) <= 0)
			return false;
		if (relation == A11Y_RELATION_LABELLED_BY)
			return a11y_read_objects(message, ret, 1) == 1;
		if (sd_bus_message_skip(message, "a(so)") < 0 ||
			sd_bus_message_exit_container(message) < 0)
			return false;
	}
	return false;
}

static int on_relations(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;

	(void)error;
	if (!click_is_error(message) && read_label(message, &job->label))
		click_query_of(job, METHOD_NAME, &job->label, on_label_name);
	else
		click_query_of(job, METHOD_NAME, &job->application, on_application_name);
	return 0;
}

static int on_name(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	const char *name;

	(void)error;
	if (!click_is_error(message) && sd_bus_message_read(message, "v", "s", &name) > 0)
		a11y_name_copy(job->name, name);
	if (*job->name)
		click_query_of(job, METHOD_NAME, &job->application, on_application_name);
	else
		click_query(job, METHOD_RELATIONS, on_relations);
	return 0;
}

/* Query the name only once typed content is excluded. */
static int on_states(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	enum a11y_naming naming = NAMING_NONE;

	(void)error;
	if (!click_is_error(message) && a11y_read_states(message, &job->states))
		naming = a11y_role_naming(job->role, job->states);
	if (naming == NAMING_BOTH)
		click_query(job, METHOD_NAME, on_name);
	else if (naming == NAMING_LABEL)
		click_query(job, METHOD_RELATIONS, on_relations);
	else
		click_query_of(job, METHOD_NAME, &job->application, on_application_name);
	return 0;
}

/* An object closed by now has no extents, and one under the popup was not clicked. */
static bool is_in_popup(const struct job *job)
{
	const struct a11y_rectangle place = {job->place.left + job->origin_x,
		job->place.top + job->origin_y, job->place.width, job->place.height};

	return job->place_known &&
		a11y_popup_contains(&job->click, &place,
			job->coordinates == A11Y_COORDINATES_WINDOW ? PADDING_PX : 0);
}

static int on_place(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;

	(void)error;
	job->place_known = a11y_read_rectangle(message, &job->place);
	if (job->click.popup && !is_in_popup(job))
		click_end(job);
	else if (job->clicks->names == NAMES_FULL)
		click_query(job, METHOD_STATE, on_states);
	else
		click_finish(job);
	return 0;
}

static void set_role(struct job *job, uint32_t role)
{
	job->role = role;
	job->role_known = true;
	click_query_extents(job, &job->at, job->coordinates, on_place);
}

/* No ancestor acts: the object itself was clicked. */
static void use_part(struct job *job)
{
	job->at = job->part;
	set_role(job, job->part_role);
}

static int on_parent(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;

	(void)error;
	if (a11y_read_parent(message, &job->at))
		click_query(job, METHOD_ROLE, on_role);
	else
		use_part(job);
	return 0;
}

static int on_role(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	uint32_t role;

	(void)error;
	if (click_is_error(message) || sd_bus_message_read(message, "u", &role) <= 0) {
		if (job->climbed > 0)
			use_part(job);
		else
			click_end(job);
		return 0;
	}
	if (job->climbed == 0) {
		job->part = job->at;
		job->part_role = role;
	}
	if (a11y_role_is_part(role) && job->climbed++ < CLIMB)
		click_query(job, METHOD_PARENT, on_parent);
	else if (a11y_role_acts(role))
		set_role(job, role);
	else
		use_part(job);
	return 0;
}

void click_query_object(struct job *job)
{
	click_query(job, METHOD_ROLE, on_role);
}
