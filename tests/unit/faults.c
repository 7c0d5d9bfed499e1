// SPDX-License-Identifier: BSD-3-Clause
/* System calls made to fail, by seccomp's user notifications. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faults.h"

const int faults_watched[FAULTS_WATCHED] = { SYS_setgroups, SYS_setfsgid, SYS_setfsuid, SYS_capset,
					     SYS_umask };

static struct {
	pthread_mutex_t lock;
	struct fault fault;
	bool happened;
	unsigned int calls[FAULTS_WATCHED];
	int listener;
	sem_t listening;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .listener = -1 };

const char *faults_name(int nr)
{
	static const char *const names[FAULTS_WATCHED] = { "setgroups", "setfsgid", "setfsuid",
							   "capset", "umask" };

	for (unsigned int i = 0; i < FAULTS_WATCHED; i++)
		if (faults_watched[i] == nr)
			return names[i];
	return "?";
}

static unsigned int index_of(int nr)
{
	unsigned int i = 0;

	while (i < FAULTS_WATCHED - 1 && faults_watched[i] != nr)
		i++;
	return i;
}

/* What a call is answered with, or -1 to let it through. */
static int verdict(int nr)
{
	pthread_mutex_lock(&state.lock);
	unsigned int count = ++state.calls[index_of(nr)];
	const struct fault *fault = &state.fault;
	bool fails = fault->nth > 0 && fault->nr == nr &&
		     (count == fault->nth || (fault->always && count > fault->nth));
	int error = fails ? fault->error : -1;
	state.happened |= fails;
	pthread_mutex_unlock(&state.lock);
	return error;
}

static void *supervise(void *arg)
{
	struct seccomp_notif_sizes sizes;

	(void)arg;
	sem_wait(&state.listening);
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return NULL;
	struct seccomp_notif *call = calloc(1, sizes.seccomp_notif);
	struct seccomp_notif_resp *answer = calloc(1, sizes.seccomp_notif_resp);
	while (call && answer) {
		*call = (struct seccomp_notif){ 0 };
		if (ioctl(state.listener, SECCOMP_IOCTL_NOTIF_RECV, call) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			break;
		}
		int error = verdict(call->data.nr);
		*answer = (struct seccomp_notif_resp){ .id = call->id };
		if (error < 0)
			answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		else
			answer->error = -error;
		(void)ioctl(state.listener, SECCOMP_IOCTL_NOTIF_SEND, answer);
	}
	free(call);
	free(answer);
	return NULL;
}

int faults_start(void)
{
	struct sock_filter filter[FAULTS_WATCHED + 3];
	struct sock_fprog program = { .len = FAULTS_WATCHED + 3, .filter = filter };
	pthread_t supervisor;

	filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (unsigned int i = 0; i < FAULTS_WATCHED; i++)
		filter[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							     (uint32_t)faults_watched[i],
							     FAULTS_WATCHED - i, 0);
	filter[FAULTS_WATCHED + 1] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[FAULTS_WATCHED + 2] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);

	/* The supervisor comes first, so that it is not watched itself. */
	if (sem_init(&state.listening, 0, 0) < 0)
		return -errno;
	int err = pthread_create(&supervisor, NULL, supervise, NULL);
	if (err)
		return -err;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	state.listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				      SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (state.listener < 0)
		return -errno;
	sem_post(&state.listening);
	return 0;
}

void faults_set(const struct fault *fault)
{
	pthread_mutex_lock(&state.lock);
	state.fault = fault ? *fault : (struct fault){ 0 };
	state.happened = false;
	for (unsigned int i = 0; i < FAULTS_WATCHED; i++)
		state.calls[i] = 0;
	pthread_mutex_unlock(&state.lock);
}

unsigned int faults_calls(int nr)
{
	unsigned int count = 0;

	pthread_mutex_lock(&state.lock);
	for (unsigned int i = 0; i < FAULTS_WATCHED; i++)
		if (nr == faults_watched[i] || (nr == -1 && faults_watched[i] != SYS_umask))
			count += state.calls[i];
	pthread_mutex_unlock(&state.lock);
	return count;
}

bool faults_happened(void)
{
	pthread_mutex_lock(&state.lock);
	bool happened = state.happened;
	pthread_mutex_unlock(&state.lock);
	return happened;
}
