/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All of fsbackend. Layers, from the wire down: a transport (device.h, or yours) brings raw FUSE messages; the server
 * (server.h, message.h) decodes them and calls a file system (filesystem.h); the passthrough (passthrough.h) is a file
 * system that is a host directory. Each layer can be used without those above it.
 */
#ifndef FSBACKEND_FSBACKEND_H
#define FSBACKEND_FSBACKEND_H

#include <fsbackend/base.h>
#include <fsbackend/context.h>
#include <fsbackend/device.h>
#include <fsbackend/filesystem.h>
#include <fsbackend/fuse_wire.h>
#include <fsbackend/log.h>
#include <fsbackend/message.h>
#include <fsbackend/mount.h>
#include <fsbackend/passthrough.h>
#include <fsbackend/procgroups.h>
#include <fsbackend/server.h>
#include <fsbackend/stream_forward.h>
#include <fsbackend/stream_serve.h>
#include <fsbackend/thread.h>
#include <fsbackend/transfer.h>
#include <fsbackend/version.h>

#endif
