/* Layers of acts are identified by principals; names are for display. */

#include "tests/harness/studies.h"

#include "protocol/acts/layer.h"
#include "replay/export/captions.h"
#include "replay/session/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ANN "1a2b0000000000000000000000000001"
#define BEN "3c4d0000000000000000000000000002"
#define CAT "1a2b0000ffff00000000000000000003" /* same prefix as Ann's */

static Uxrec__Act act_in(const char *text, const char *principal, int64_t wall_ns)
{
	Uxrec__Act act = UXREC__ACT__INIT;

	act.layer = (char *)text;
	act.layer_principal = (char *)principal;
	act.wall_ns = wall_ns;
	return act;
}

static int add(struct layers *layers, const char *text, const char *principal, int64_t wall_ns)
{
	Uxrec__Act act = act_in(text, principal, wall_ns);

	return layers_add(layers, &act);
}

static bool has_label(const struct layers *layers, int index, const char *label)
{
	return index >= 0 && (size_t)index < layers->count &&
		strcmp(layers->entries[index].label, label) == 0;
}

static void principals_identify_layers(void)
{
	Uxrec__Act ann = act_in("coder:Ann", ANN, 1), renamed = act_in("coder:Anna", ANN, 2);
	Uxrec__Act other = act_in("coder:Ann", BEN, 3), old = act_in("coder:Ann", "", 4);
	Uxrec__Act same_old = act_in("coder:Ann", "", 5), live = act_in("live", "", 6);
	Uxrec__Act odd = act_in("live", BEN, 7);

	expect(layer_same(&ann, &renamed));
	expect(!layer_same(&ann, &other) && !layer_same(&ann, &old));
	expect(layer_same(&old, &same_old) && !layer_same(&old, &live));
	/* a principal counts only in a coder's layer */
	expect(layer_same(&live, &odd));
}

static void kinds_are_known(void)
{
	expect(layer_kind("live") == LAYER_LIVE && layer_kind("consensus") == LAYER_CONSENSUS);
	expect(layer_kind("coder:Ann") == LAYER_CODER && layer_kind("panel:3") == LAYER_UNKNOWN);
	expect(layer_kind("coder") == LAYER_UNKNOWN && layer_kind("") == LAYER_UNKNOWN);
	expect(strcmp(layer_coder("coder:Ann"), "Ann") == 0 && !layer_coder("live"));
}

static void a_renamed_coder_keeps_the_layer(void)
{
	struct layers layers = {0};
	int index = add(&layers, "coder:Reviewer", ANN, 10);

	expect(add(&layers, "coder:Ann", ANN, 20) == index && layers.count == 1);
	expect(has_label(&layers, index, "coder:Ann"));
	/* older acts that come later have no effect */
	expect(add(&layers, "coder:Reviewer", ANN, 5) == index);
	expect(has_label(&layers, index, "coder:Ann"));
	expect(layers_find(&layers, "coder:Ann", NULL) == index);
	expect(layers_find(&layers, "coder:" ANN, NULL) == index);
	layers_finish(&layers);
}

static void equal_names_get_pieces_of_principals(void)
{
	struct layers layers = {0};
	struct error error = {""};
	int ann = add(&layers, "coder:Reviewer", ANN, 1), ben;

	expect(has_label(&layers, ann, "coder:Reviewer"));
	ben = add(&layers, "coder:Reviewer", BEN, 1);
	expect(has_label(&layers, ann, "coder:Reviewer (1a2b)"));
	expect(has_label(&layers, ben, "coder:Reviewer (3c4d)"));
	expect(layers_find(&layers, "coder:Reviewer", &error) == -ENOTUNIQ);
	expect(strstr(error.text, "'coder:Reviewer (1a2b)', 'coder:Reviewer (3c4d)'") != NULL);
	expect(layers_find(&layers, "coder:Reviewer (3c4d)", NULL) == ben);
	add(&layers, "coder:Reviewer", CAT, 1);
	expect(has_label(&layers, ann, "coder:Reviewer (1a2b000000000000)"));
	expect(has_label(&layers, ben, "coder:Reviewer (3c4d)"));
	/* one of them has another name since: labels are as short as possible */
	add(&layers, "coder:Cat", CAT, 2);
	expect(has_label(&layers, ann, "coder:Reviewer (1a2b)"));
	layers_finish(&layers);
}

static void acts_without_a_principal_are_found_by_name(void)
{
	struct layers layers = {0};
	struct error error = {""};
	int ben = add(&layers, "coder:Ben", "", 1), live = add(&layers, "live", "", 1);

	expect(has_label(&layers, ben, "coder:Ben") && has_label(&layers, live, "live"));
	expect(layers_find(&layers, "coder:Ben", NULL) == ben);
	expect(layers_find(&layers, "coder:Eve", &error) == -ENOENT);
	expect(strstr(error.text, "there are 'coder:Ben', 'live'") != NULL);
	expect(layers_find(&layers, "coder:", NULL) == -ENOENT);
	add(&layers, "coder:Ben", BEN, 1);
	expect(has_label(&layers, ben, "coder:Ben (no id)"));
	expect(layers_find(&layers, "coder:Ben (no id)", NULL) == ben);
	expect(layers_find(&layers, "coder:Ben", NULL) == -ENOTUNIQ);
	layers_finish(&layers);
}

static void the_list_is_bounded(void)
{
	struct layers layers = {0};
	char name[32];
	int r = 0;

	for (unsigned i = 0; r >= 0 && i <= LAYERS_LIMIT; i++) {
		snprintf(name, sizeof(name), "coder:%u", i);
		r = add(&layers, name, "", 1);
	}
	expect(r == -E2BIG && layers.count == LAYERS_LIMIT);
	expect(add(&layers, "coder:7", "", 2) == 7);
	layers_finish(&layers);
}

/* ---- of a session ---- */

static void a_session_has_a_layer_for_each_coder(void)
{
	struct making making;
	struct session *session;
	Uxrec__SessionSummary *summary;
	struct error error = {""};
	struct vtt *vtt = NULL;

	begin_session_of(&making, "layers", "P01", false, CAT);
	making.author = "Reviewer";
	making.principal = ANN;
	add_tag(&making, "coder:Reviewer", "slip", 10, "");
	making.principal = BEN;
	add_tag(&making, "coder:Reviewer", "slip", 11, "");
	add_tag(&making, "coder:Reviewer", "slip", 12, "");
	finish_layer(&making, "coder:Reviewer");
	session = end_session(&making);
	summary = session_summarise(session);
	check(summary && summary->n_layers == 2 && summary->n_finished_layers == 1);
	expect(strcmp(summary->layers[0], "coder:Reviewer (1a2b)") == 0);
	expect(strcmp(summary->layers[1], "coder:Reviewer (3c4d)") == 0);
	expect(strcmp(summary->finished_layers[0], "coder:Reviewer (3c4d)") == 0);
	expect(strcmp(summary->session_uuid, CAT) == 0);
	uxrec__session_summary__free_unpacked(summary, NULL);
	/* captions have one layer's tags, and an ambiguous name is refused */
	check(captions_collect(&vtt, session, CAPTION_TAGS, "coder:Reviewer (3c4d)", 0, INT64_MAX,
		      NULL) == 0);
	expect(vtt->count == 2);
	vtt_destroy(steal_ptr(vtt));
	expect(captions_collect(&vtt, session, CAPTION_TAGS, "coder:Reviewer", 0, INT64_MAX,
		       &error) == -ENOTUNIQ);
	expect(strstr(error.text, "several layers are named") != NULL);
	session_destroy(session);
}

static const struct test tests[] = {
	{"a session has a layer for each coder, and captions have one",
		a_session_has_a_layer_for_each_coder},
	{"a coder's layer is identified by its principal, without one by its name",
		principals_identify_layers},
	{"the kind of a layer is known by its text", kinds_are_known},
	{"a renamed coder keeps the layer, which shows the newest name",
		a_renamed_coder_keeps_the_layer},
	{"layers of one name are shown with a piece of their principals",
		equal_names_get_pieces_of_principals},
	{"layers of acts without a principal are found by name",
		acts_without_a_principal_are_found_by_name},
	{"a list has at most a thousand layers", the_list_is_bounded},
};

int main(void)
{
	return RUN_TESTS("layer", tests);
}
