/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of fixed arguments, one for each kind of request that has something to check. All are
 * pure. */
#ifndef FSB_LIB_SERVER_DECODE_H
#define FSB_LIB_SERVER_DECODE_H

#include <fsbackend/message.h>

int check_getattr(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_setattr(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_mknod(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_mkdir(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_rename(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_open(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_create(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_release(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_read(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_readdir(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_write(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_fsync(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_setxattr(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_lk(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_access(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_ioctl(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_poll(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_fallocate(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_lseek(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_copy(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_remap(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_setupmapping(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_removemapping(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_batch_forget(const struct fsb_protocol *protocol, const struct fsb_request *request);
int check_notify_reply(const struct fsb_protocol *protocol, const struct fsb_request *request);

#endif
