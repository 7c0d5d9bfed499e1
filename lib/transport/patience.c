// SPDX-License-Identifier: BSD-3-Clause
/* Looking again, or sleeping. */
#include <sched.h>
#include <unistd.h>

#include "clock.h"
#include "patience.h"

void crowd_init(struct crowd *crowd)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	atomic_init(&crowd->looking, 0);
	crowd->most = cores > 1 ? (unsigned int)cores / 2 : 0;
}

void patience_init(struct patience *patience, struct crowd *crowd, uint64_t limit_ns)
{
	*patience = (struct patience){ .crowd = crowd };
	spin_init(&patience->spin, limit_ns);
}

static bool may_look(struct patience *patience)
{
	struct crowd *crowd = patience->crowd;

	if (patience->looking)
		return true;
	if (atomic_fetch_add(&crowd->looking, 1) < crowd->most) {
		patience->looking = true;
		return true;
	}
	atomic_fetch_sub(&crowd->looking, 1);
	return false;
}

static void stop_looking(struct patience *patience)
{
	if (!patience->looking)
		return;
	patience->looking = false;
	atomic_fetch_sub(&patience->crowd->looking, 1);
}

static bool is_worth_it(struct patience *patience)
{
	uint64_t now = now_ns();

	if (!patience->since_ns) {
		patience->since_ns = now;
		patience->looked_ns = 0;
	}
	if (now - patience->since_ns >= spin_span(&patience->spin) || !may_look(patience))
		return false;
	if (patience->looked_ns && now - patience->looked_ns > SPIN_GAP_NS) {
		spin_crowded(&patience->spin);
		return false;
	}
	patience->looked_ns = now;
	return true;
}

bool patience_permits(struct patience *patience)
{
	bool permits = is_worth_it(patience);

	if (!permits)
		stop_looking(patience);
	return permits;
}

bool patience_looks(struct patience *patience)
{
	if (!patience_permits(patience))
		return false;
	sched_yield();
	return true;
}

void patience_ends(struct patience *patience, bool found)
{
	stop_looking(patience);
	if (found && patience->since_ns)
		spin_note(&patience->spin, now_ns() - patience->since_ns);
	else if (found)
		spin_note(&patience->spin, 0);
	patience->since_ns = 0;
}
