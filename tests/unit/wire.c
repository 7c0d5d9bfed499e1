/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire format, pinned: the size of every struct, the offset and size of every field, and the
 * value of every constant of protocol 7.45, as they are on x86-64. That this file compiles is most
 * of the test.
 */
#include <criterion/criterion.h>
#include <fsbackend/fuse_wire.h>
/* Must add nothing and clash with nothing. */
#include <linux/fuse.h>
#include <string.h>

#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#define FIELD(type, field, offset, size)                                    \
	_Static_assert(offsetof(struct type, field) == (offset) &&          \
			       sizeof(((struct type *)0)->field) == (size), \
		       #type "." #field)
#define TAIL(type, field, offset) \
	_Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define VALUE(name, value) _Static_assert((name) == (value), #name)
#define MEMBER(type, name, value) \
	_Static_assert((name) == (value) && sizeof(enum type) == sizeof(int), #type "." #name)

SIZE(fuse_attr, 88);
FIELD(fuse_attr, ino, 0, 8);
FIELD(fuse_attr, size, 8, 8);
FIELD(fuse_attr, blocks, 16, 8);
FIELD(fuse_attr, atime, 24, 8);
FIELD(fuse_attr, mtime, 32, 8);
FIELD(fuse_attr, ctime, 40, 8);
FIELD(fuse_attr, atimensec, 48, 4);
FIELD(fuse_attr, mtimensec, 52, 4);
FIELD(fuse_attr, ctimensec, 56, 4);
FIELD(fuse_attr, mode, 60, 4);
FIELD(fuse_attr, nlink, 64, 4);
FIELD(fuse_attr, uid, 68, 4);
FIELD(fuse_attr, gid, 72, 4);
FIELD(fuse_attr, rdev, 76, 4);
FIELD(fuse_attr, blksize, 80, 4);
FIELD(fuse_attr, flags, 84, 4);

SIZE(fuse_sx_time, 16);
FIELD(fuse_sx_time, tv_sec, 0, 8);
FIELD(fuse_sx_time, tv_nsec, 8, 4);
FIELD(fuse_sx_time, __reserved, 12, 4);

SIZE(fuse_statx, 256);
FIELD(fuse_statx, mask, 0, 4);
FIELD(fuse_statx, blksize, 4, 4);
FIELD(fuse_statx, attributes, 8, 8);
FIELD(fuse_statx, nlink, 16, 4);
FIELD(fuse_statx, uid, 20, 4);
FIELD(fuse_statx, gid, 24, 4);
FIELD(fuse_statx, mode, 28, 2);
FIELD(fuse_statx, __spare0, 30, 2);
FIELD(fuse_statx, ino, 32, 8);
FIELD(fuse_statx, size, 40, 8);
FIELD(fuse_statx, blocks, 48, 8);
FIELD(fuse_statx, attributes_mask, 56, 8);
FIELD(fuse_statx, atime, 64, 16);
FIELD(fuse_statx, btime, 80, 16);
FIELD(fuse_statx, ctime, 96, 16);
FIELD(fuse_statx, mtime, 112, 16);
FIELD(fuse_statx, rdev_major, 128, 4);
FIELD(fuse_statx, rdev_minor, 132, 4);
FIELD(fuse_statx, dev_major, 136, 4);
FIELD(fuse_statx, dev_minor, 140, 4);
FIELD(fuse_statx, __spare2, 144, 112);

SIZE(fuse_kstatfs, 80);
FIELD(fuse_kstatfs, blocks, 0, 8);
FIELD(fuse_kstatfs, bfree, 8, 8);
FIELD(fuse_kstatfs, bavail, 16, 8);
FIELD(fuse_kstatfs, files, 24, 8);
FIELD(fuse_kstatfs, ffree, 32, 8);
FIELD(fuse_kstatfs, bsize, 40, 4);
FIELD(fuse_kstatfs, namelen, 44, 4);
FIELD(fuse_kstatfs, frsize, 48, 4);
FIELD(fuse_kstatfs, padding, 52, 4);
FIELD(fuse_kstatfs, spare, 56, 24);

SIZE(fuse_file_lock, 24);
FIELD(fuse_file_lock, start, 0, 8);
FIELD(fuse_file_lock, end, 8, 8);
FIELD(fuse_file_lock, type, 16, 4);
FIELD(fuse_file_lock, pid, 20, 4);

SIZE(fuse_entry_out, 128);
FIELD(fuse_entry_out, nodeid, 0, 8);
FIELD(fuse_entry_out, generation, 8, 8);
FIELD(fuse_entry_out, entry_valid, 16, 8);
FIELD(fuse_entry_out, attr_valid, 24, 8);
FIELD(fuse_entry_out, entry_valid_nsec, 32, 4);
FIELD(fuse_entry_out, attr_valid_nsec, 36, 4);
FIELD(fuse_entry_out, attr, 40, 88);

SIZE(fuse_forget_in, 8);
FIELD(fuse_forget_in, nlookup, 0, 8);

SIZE(fuse_forget_one, 16);
FIELD(fuse_forget_one, nodeid, 0, 8);
FIELD(fuse_forget_one, nlookup, 8, 8);

SIZE(fuse_batch_forget_in, 8);
FIELD(fuse_batch_forget_in, count, 0, 4);
FIELD(fuse_batch_forget_in, dummy, 4, 4);

SIZE(fuse_getattr_in, 16);
FIELD(fuse_getattr_in, getattr_flags, 0, 4);
FIELD(fuse_getattr_in, dummy, 4, 4);
FIELD(fuse_getattr_in, fh, 8, 8);

SIZE(fuse_attr_out, 104);
FIELD(fuse_attr_out, attr_valid, 0, 8);
FIELD(fuse_attr_out, attr_valid_nsec, 8, 4);
FIELD(fuse_attr_out, dummy, 12, 4);
FIELD(fuse_attr_out, attr, 16, 88);

SIZE(fuse_statx_in, 24);
FIELD(fuse_statx_in, getattr_flags, 0, 4);
FIELD(fuse_statx_in, reserved, 4, 4);
FIELD(fuse_statx_in, fh, 8, 8);
FIELD(fuse_statx_in, sx_flags, 16, 4);
FIELD(fuse_statx_in, sx_mask, 20, 4);

SIZE(fuse_statx_out, 288);
FIELD(fuse_statx_out, attr_valid, 0, 8);
FIELD(fuse_statx_out, attr_valid_nsec, 8, 4);
FIELD(fuse_statx_out, flags, 12, 4);
FIELD(fuse_statx_out, spare, 16, 16);
FIELD(fuse_statx_out, stat, 32, 256);

SIZE(fuse_mknod_in, 16);
FIELD(fuse_mknod_in, mode, 0, 4);
FIELD(fuse_mknod_in, rdev, 4, 4);
FIELD(fuse_mknod_in, umask, 8, 4);
FIELD(fuse_mknod_in, padding, 12, 4);

SIZE(fuse_mkdir_in, 8);
FIELD(fuse_mkdir_in, mode, 0, 4);
FIELD(fuse_mkdir_in, umask, 4, 4);

SIZE(fuse_rename_in, 8);
FIELD(fuse_rename_in, newdir, 0, 8);

SIZE(fuse_rename2_in, 16);
FIELD(fuse_rename2_in, newdir, 0, 8);
FIELD(fuse_rename2_in, flags, 8, 4);
FIELD(fuse_rename2_in, padding, 12, 4);

SIZE(fuse_link_in, 8);
FIELD(fuse_link_in, oldnodeid, 0, 8);

SIZE(fuse_setattr_in, 88);
FIELD(fuse_setattr_in, valid, 0, 4);
FIELD(fuse_setattr_in, padding, 4, 4);
FIELD(fuse_setattr_in, fh, 8, 8);
FIELD(fuse_setattr_in, size, 16, 8);
FIELD(fuse_setattr_in, lock_owner, 24, 8);
FIELD(fuse_setattr_in, atime, 32, 8);
FIELD(fuse_setattr_in, mtime, 40, 8);
FIELD(fuse_setattr_in, ctime, 48, 8);
FIELD(fuse_setattr_in, atimensec, 56, 4);
FIELD(fuse_setattr_in, mtimensec, 60, 4);
FIELD(fuse_setattr_in, ctimensec, 64, 4);
FIELD(fuse_setattr_in, mode, 68, 4);
FIELD(fuse_setattr_in, unused4, 72, 4);
FIELD(fuse_setattr_in, uid, 76, 4);
FIELD(fuse_setattr_in, gid, 80, 4);
FIELD(fuse_setattr_in, unused5, 84, 4);

SIZE(fuse_open_in, 8);
FIELD(fuse_open_in, flags, 0, 4);
FIELD(fuse_open_in, open_flags, 4, 4);

SIZE(fuse_create_in, 16);
FIELD(fuse_create_in, flags, 0, 4);
FIELD(fuse_create_in, mode, 4, 4);
FIELD(fuse_create_in, umask, 8, 4);
FIELD(fuse_create_in, open_flags, 12, 4);

SIZE(fuse_open_out, 16);
FIELD(fuse_open_out, fh, 0, 8);
FIELD(fuse_open_out, open_flags, 8, 4);
FIELD(fuse_open_out, backing_id, 12, 4);

SIZE(fuse_release_in, 24);
FIELD(fuse_release_in, fh, 0, 8);
FIELD(fuse_release_in, flags, 8, 4);
FIELD(fuse_release_in, release_flags, 12, 4);
FIELD(fuse_release_in, lock_owner, 16, 8);

SIZE(fuse_flush_in, 24);
FIELD(fuse_flush_in, fh, 0, 8);
FIELD(fuse_flush_in, unused, 8, 4);
FIELD(fuse_flush_in, padding, 12, 4);
FIELD(fuse_flush_in, lock_owner, 16, 8);

SIZE(fuse_read_in, 40);
FIELD(fuse_read_in, fh, 0, 8);
FIELD(fuse_read_in, offset, 8, 8);
FIELD(fuse_read_in, size, 16, 4);
FIELD(fuse_read_in, read_flags, 20, 4);
FIELD(fuse_read_in, lock_owner, 24, 8);
FIELD(fuse_read_in, flags, 32, 4);
FIELD(fuse_read_in, padding, 36, 4);

SIZE(fuse_write_in, 40);
FIELD(fuse_write_in, fh, 0, 8);
FIELD(fuse_write_in, offset, 8, 8);
FIELD(fuse_write_in, size, 16, 4);
FIELD(fuse_write_in, write_flags, 20, 4);
FIELD(fuse_write_in, lock_owner, 24, 8);
FIELD(fuse_write_in, flags, 32, 4);
FIELD(fuse_write_in, padding, 36, 4);

SIZE(fuse_write_out, 8);
FIELD(fuse_write_out, size, 0, 4);
FIELD(fuse_write_out, padding, 4, 4);

SIZE(fuse_statfs_out, 80);
FIELD(fuse_statfs_out, st, 0, 80);

SIZE(fuse_fsync_in, 16);
FIELD(fuse_fsync_in, fh, 0, 8);
FIELD(fuse_fsync_in, fsync_flags, 8, 4);
FIELD(fuse_fsync_in, padding, 12, 4);

SIZE(fuse_setxattr_in, 16);
FIELD(fuse_setxattr_in, size, 0, 4);
FIELD(fuse_setxattr_in, flags, 4, 4);
FIELD(fuse_setxattr_in, setxattr_flags, 8, 4);
FIELD(fuse_setxattr_in, padding, 12, 4);

SIZE(fuse_getxattr_in, 8);
FIELD(fuse_getxattr_in, size, 0, 4);
FIELD(fuse_getxattr_in, padding, 4, 4);

SIZE(fuse_getxattr_out, 8);
FIELD(fuse_getxattr_out, size, 0, 4);
FIELD(fuse_getxattr_out, padding, 4, 4);

SIZE(fuse_lk_in, 48);
FIELD(fuse_lk_in, fh, 0, 8);
FIELD(fuse_lk_in, owner, 8, 8);
FIELD(fuse_lk_in, lk, 16, 24);
FIELD(fuse_lk_in, lk_flags, 40, 4);
FIELD(fuse_lk_in, padding, 44, 4);

SIZE(fuse_lk_out, 24);
FIELD(fuse_lk_out, lk, 0, 24);

SIZE(fuse_access_in, 8);
FIELD(fuse_access_in, mask, 0, 4);
FIELD(fuse_access_in, padding, 4, 4);

SIZE(fuse_init_in, 64);
FIELD(fuse_init_in, major, 0, 4);
FIELD(fuse_init_in, minor, 4, 4);
FIELD(fuse_init_in, max_readahead, 8, 4);
FIELD(fuse_init_in, flags, 12, 4);
FIELD(fuse_init_in, flags2, 16, 4);
FIELD(fuse_init_in, unused, 20, 44);

SIZE(fuse_init_out, 64);
FIELD(fuse_init_out, major, 0, 4);
FIELD(fuse_init_out, minor, 4, 4);
FIELD(fuse_init_out, max_readahead, 8, 4);
FIELD(fuse_init_out, flags, 12, 4);
FIELD(fuse_init_out, max_background, 16, 2);
FIELD(fuse_init_out, congestion_threshold, 18, 2);
FIELD(fuse_init_out, max_write, 20, 4);
FIELD(fuse_init_out, time_gran, 24, 4);
FIELD(fuse_init_out, max_pages, 28, 2);
FIELD(fuse_init_out, map_alignment, 30, 2);
FIELD(fuse_init_out, flags2, 32, 4);
FIELD(fuse_init_out, max_stack_depth, 36, 4);
FIELD(fuse_init_out, request_timeout, 40, 2);
FIELD(fuse_init_out, unused, 42, 22);

SIZE(cuse_init_in, 16);
FIELD(cuse_init_in, major, 0, 4);
FIELD(cuse_init_in, minor, 4, 4);
FIELD(cuse_init_in, unused, 8, 4);
FIELD(cuse_init_in, flags, 12, 4);

SIZE(cuse_init_out, 72);
FIELD(cuse_init_out, major, 0, 4);
FIELD(cuse_init_out, minor, 4, 4);
FIELD(cuse_init_out, unused, 8, 4);
FIELD(cuse_init_out, flags, 12, 4);
FIELD(cuse_init_out, max_read, 16, 4);
FIELD(cuse_init_out, max_write, 20, 4);
FIELD(cuse_init_out, dev_major, 24, 4);
FIELD(cuse_init_out, dev_minor, 28, 4);
FIELD(cuse_init_out, spare, 32, 40);

SIZE(fuse_interrupt_in, 8);
FIELD(fuse_interrupt_in, unique, 0, 8);

SIZE(fuse_bmap_in, 16);
FIELD(fuse_bmap_in, block, 0, 8);
FIELD(fuse_bmap_in, blocksize, 8, 4);
FIELD(fuse_bmap_in, padding, 12, 4);

SIZE(fuse_bmap_out, 8);
FIELD(fuse_bmap_out, block, 0, 8);

SIZE(fuse_ioctl_in, 32);
FIELD(fuse_ioctl_in, fh, 0, 8);
FIELD(fuse_ioctl_in, flags, 8, 4);
FIELD(fuse_ioctl_in, cmd, 12, 4);
FIELD(fuse_ioctl_in, arg, 16, 8);
FIELD(fuse_ioctl_in, in_size, 24, 4);
FIELD(fuse_ioctl_in, out_size, 28, 4);

SIZE(fuse_ioctl_iovec, 16);
FIELD(fuse_ioctl_iovec, base, 0, 8);
FIELD(fuse_ioctl_iovec, len, 8, 8);

SIZE(fuse_ioctl_out, 16);
FIELD(fuse_ioctl_out, result, 0, 4);
FIELD(fuse_ioctl_out, flags, 4, 4);
FIELD(fuse_ioctl_out, in_iovs, 8, 4);
FIELD(fuse_ioctl_out, out_iovs, 12, 4);

SIZE(fuse_poll_in, 24);
FIELD(fuse_poll_in, fh, 0, 8);
FIELD(fuse_poll_in, kh, 8, 8);
FIELD(fuse_poll_in, flags, 16, 4);
FIELD(fuse_poll_in, events, 20, 4);

SIZE(fuse_poll_out, 8);
FIELD(fuse_poll_out, revents, 0, 4);
FIELD(fuse_poll_out, padding, 4, 4);

SIZE(fuse_notify_poll_wakeup_out, 8);
FIELD(fuse_notify_poll_wakeup_out, kh, 0, 8);

SIZE(fuse_fallocate_in, 32);
FIELD(fuse_fallocate_in, fh, 0, 8);
FIELD(fuse_fallocate_in, offset, 8, 8);
FIELD(fuse_fallocate_in, length, 16, 8);
FIELD(fuse_fallocate_in, mode, 24, 4);
FIELD(fuse_fallocate_in, padding, 28, 4);

SIZE(fuse_in_header, 40);
FIELD(fuse_in_header, len, 0, 4);
FIELD(fuse_in_header, opcode, 4, 4);
FIELD(fuse_in_header, unique, 8, 8);
FIELD(fuse_in_header, nodeid, 16, 8);
FIELD(fuse_in_header, uid, 24, 4);
FIELD(fuse_in_header, gid, 28, 4);
FIELD(fuse_in_header, pid, 32, 4);
FIELD(fuse_in_header, total_extlen, 36, 2);
FIELD(fuse_in_header, padding, 38, 2);

SIZE(fuse_out_header, 16);
FIELD(fuse_out_header, len, 0, 4);
FIELD(fuse_out_header, error, 4, 4);
FIELD(fuse_out_header, unique, 8, 8);

SIZE(fuse_dirent, 24);
FIELD(fuse_dirent, ino, 0, 8);
FIELD(fuse_dirent, off, 8, 8);
FIELD(fuse_dirent, namelen, 16, 4);
FIELD(fuse_dirent, type, 20, 4);
TAIL(fuse_dirent, name, 24);

SIZE(fuse_direntplus, 152);
FIELD(fuse_direntplus, entry_out, 0, 128);
FIELD(fuse_direntplus, dirent, 128, 24);

SIZE(fuse_notify_inval_inode_out, 24);
FIELD(fuse_notify_inval_inode_out, ino, 0, 8);
FIELD(fuse_notify_inval_inode_out, off, 8, 8);
FIELD(fuse_notify_inval_inode_out, len, 16, 8);

SIZE(fuse_notify_inval_entry_out, 16);
FIELD(fuse_notify_inval_entry_out, parent, 0, 8);
FIELD(fuse_notify_inval_entry_out, namelen, 8, 4);
FIELD(fuse_notify_inval_entry_out, flags, 12, 4);

SIZE(fuse_notify_delete_out, 24);
FIELD(fuse_notify_delete_out, parent, 0, 8);
FIELD(fuse_notify_delete_out, child, 8, 8);
FIELD(fuse_notify_delete_out, namelen, 16, 4);
FIELD(fuse_notify_delete_out, padding, 20, 4);

SIZE(fuse_notify_store_out, 24);
FIELD(fuse_notify_store_out, nodeid, 0, 8);
FIELD(fuse_notify_store_out, offset, 8, 8);
FIELD(fuse_notify_store_out, size, 16, 4);
FIELD(fuse_notify_store_out, padding, 20, 4);

SIZE(fuse_notify_retrieve_out, 32);
FIELD(fuse_notify_retrieve_out, notify_unique, 0, 8);
FIELD(fuse_notify_retrieve_out, nodeid, 8, 8);
FIELD(fuse_notify_retrieve_out, offset, 16, 8);
FIELD(fuse_notify_retrieve_out, size, 24, 4);
FIELD(fuse_notify_retrieve_out, padding, 28, 4);

SIZE(fuse_notify_retrieve_in, 40);
FIELD(fuse_notify_retrieve_in, dummy1, 0, 8);
FIELD(fuse_notify_retrieve_in, offset, 8, 8);
FIELD(fuse_notify_retrieve_in, size, 16, 4);
FIELD(fuse_notify_retrieve_in, dummy2, 20, 4);
FIELD(fuse_notify_retrieve_in, dummy3, 24, 8);
FIELD(fuse_notify_retrieve_in, dummy4, 32, 8);

SIZE(fuse_notify_prune_out, 16);
FIELD(fuse_notify_prune_out, count, 0, 4);
FIELD(fuse_notify_prune_out, padding, 4, 4);
FIELD(fuse_notify_prune_out, spare, 8, 8);

SIZE(fuse_backing_map, 16);
FIELD(fuse_backing_map, fd, 0, 4);
FIELD(fuse_backing_map, flags, 4, 4);
FIELD(fuse_backing_map, padding, 8, 8);

SIZE(fuse_lseek_in, 24);
FIELD(fuse_lseek_in, fh, 0, 8);
FIELD(fuse_lseek_in, offset, 8, 8);
FIELD(fuse_lseek_in, whence, 16, 4);
FIELD(fuse_lseek_in, padding, 20, 4);

SIZE(fuse_lseek_out, 8);
FIELD(fuse_lseek_out, offset, 0, 8);

SIZE(fuse_copy_file_range_in, 56);
FIELD(fuse_copy_file_range_in, fh_in, 0, 8);
FIELD(fuse_copy_file_range_in, off_in, 8, 8);
FIELD(fuse_copy_file_range_in, nodeid_out, 16, 8);
FIELD(fuse_copy_file_range_in, fh_out, 24, 8);
FIELD(fuse_copy_file_range_in, off_out, 32, 8);
FIELD(fuse_copy_file_range_in, len, 40, 8);
FIELD(fuse_copy_file_range_in, flags, 48, 8);

SIZE(fuse_copy_file_range_out, 8);
FIELD(fuse_copy_file_range_out, bytes_copied, 0, 8);

SIZE(fuse_setupmapping_in, 40);
FIELD(fuse_setupmapping_in, fh, 0, 8);
FIELD(fuse_setupmapping_in, foffset, 8, 8);
FIELD(fuse_setupmapping_in, len, 16, 8);
FIELD(fuse_setupmapping_in, flags, 24, 8);
FIELD(fuse_setupmapping_in, moffset, 32, 8);

SIZE(fuse_removemapping_in, 4);
FIELD(fuse_removemapping_in, count, 0, 4);

SIZE(fuse_removemapping_one, 16);
FIELD(fuse_removemapping_one, moffset, 0, 8);
FIELD(fuse_removemapping_one, len, 8, 8);

SIZE(fuse_syncfs_in, 8);
FIELD(fuse_syncfs_in, padding, 0, 8);

SIZE(fuse_secctx, 8);
FIELD(fuse_secctx, size, 0, 4);
FIELD(fuse_secctx, padding, 4, 4);

SIZE(fuse_secctx_header, 8);
FIELD(fuse_secctx_header, size, 0, 4);
FIELD(fuse_secctx_header, nr_secctx, 4, 4);

SIZE(fuse_ext_header, 8);
FIELD(fuse_ext_header, size, 0, 4);
FIELD(fuse_ext_header, type, 4, 4);

SIZE(fuse_supp_groups, 4);
FIELD(fuse_supp_groups, nr_groups, 0, 4);
TAIL(fuse_supp_groups, groups, 4);

SIZE(fuse_uring_ent_in_out, 32);
FIELD(fuse_uring_ent_in_out, flags, 0, 8);
FIELD(fuse_uring_ent_in_out, commit_id, 8, 8);
FIELD(fuse_uring_ent_in_out, payload_sz, 16, 4);
FIELD(fuse_uring_ent_in_out, padding, 20, 4);
FIELD(fuse_uring_ent_in_out, reserved, 24, 8);

SIZE(fuse_uring_req_header, 288);
FIELD(fuse_uring_req_header, in_out, 0, 128);
FIELD(fuse_uring_req_header, op_in, 128, 128);
FIELD(fuse_uring_req_header, ring_ent_in_out, 256, 32);

SIZE(fuse_uring_cmd_req, 24);
FIELD(fuse_uring_cmd_req, flags, 0, 8);
FIELD(fuse_uring_cmd_req, commit_id, 8, 8);
FIELD(fuse_uring_cmd_req, qid, 16, 2);
FIELD(fuse_uring_cmd_req, padding, 18, 6);

VALUE(FUSE_KERNEL_VERSION, 7);
VALUE(FUSE_KERNEL_MINOR_VERSION, 45);
VALUE(FUSE_ROOT_ID, 1);
VALUE(FATTR_MODE, 1);
VALUE(FATTR_UID, 2);
VALUE(FATTR_GID, 4);
VALUE(FATTR_SIZE, 8);
VALUE(FATTR_ATIME, 16);
VALUE(FATTR_MTIME, 32);
VALUE(FATTR_FH, 64);
VALUE(FATTR_ATIME_NOW, 128);
VALUE(FATTR_MTIME_NOW, 256);
VALUE(FATTR_LOCKOWNER, 512);
VALUE(FATTR_CTIME, 1024);
VALUE(FATTR_KILL_SUIDGID, 2048);
VALUE(FOPEN_DIRECT_IO, 1);
VALUE(FOPEN_KEEP_CACHE, 2);
VALUE(FOPEN_NONSEEKABLE, 4);
VALUE(FOPEN_CACHE_DIR, 8);
VALUE(FOPEN_STREAM, 16);
VALUE(FOPEN_NOFLUSH, 32);
VALUE(FOPEN_PARALLEL_DIRECT_WRITES, 64);
VALUE(FOPEN_PASSTHROUGH, 128);
VALUE(FUSE_ASYNC_READ, 1);
VALUE(FUSE_POSIX_LOCKS, 2);
VALUE(FUSE_FILE_OPS, 4);
VALUE(FUSE_ATOMIC_O_TRUNC, 8);
VALUE(FUSE_EXPORT_SUPPORT, 16);
VALUE(FUSE_BIG_WRITES, 32);
VALUE(FUSE_DONT_MASK, 64);
VALUE(FUSE_SPLICE_WRITE, 128);
VALUE(FUSE_SPLICE_MOVE, 256);
VALUE(FUSE_SPLICE_READ, 512);
VALUE(FUSE_FLOCK_LOCKS, 1024);
VALUE(FUSE_HAS_IOCTL_DIR, 2048);
VALUE(FUSE_AUTO_INVAL_DATA, 4096);
VALUE(FUSE_DO_READDIRPLUS, 8192);
VALUE(FUSE_READDIRPLUS_AUTO, 16384);
VALUE(FUSE_ASYNC_DIO, 32768);
VALUE(FUSE_WRITEBACK_CACHE, 65536);
VALUE(FUSE_NO_OPEN_SUPPORT, 131072);
VALUE(FUSE_PARALLEL_DIROPS, 262144);
VALUE(FUSE_HANDLE_KILLPRIV, 524288);
VALUE(FUSE_POSIX_ACL, 1048576);
VALUE(FUSE_ABORT_ERROR, 2097152);
VALUE(FUSE_MAX_PAGES, 4194304);
VALUE(FUSE_CACHE_SYMLINKS, 8388608);
VALUE(FUSE_NO_OPENDIR_SUPPORT, 16777216);
VALUE(FUSE_EXPLICIT_INVAL_DATA, 33554432);
VALUE(FUSE_MAP_ALIGNMENT, 67108864);
VALUE(FUSE_SUBMOUNTS, 134217728);
VALUE(FUSE_HANDLE_KILLPRIV_V2, 268435456);
VALUE(FUSE_SETXATTR_EXT, 536870912);
VALUE(FUSE_INIT_EXT, 1073741824);
/* The kernel's is a signed int, and fills the upper half when it is widened. Ours is the bit. */
VALUE(FUSE_INIT_RESERVED, 0x80000000ULL);
VALUE(FUSE_SECURITY_CTX, 4294967296ULL);
VALUE(FUSE_HAS_INODE_DAX, 8589934592ULL);
VALUE(FUSE_CREATE_SUPP_GROUP, 17179869184ULL);
VALUE(FUSE_HAS_EXPIRE_ONLY, 34359738368ULL);
VALUE(FUSE_DIRECT_IO_ALLOW_MMAP, 68719476736ULL);
VALUE(FUSE_PASSTHROUGH, 137438953472ULL);
VALUE(FUSE_NO_EXPORT_SUPPORT, 274877906944ULL);
VALUE(FUSE_HAS_RESEND, 549755813888ULL);
VALUE(FUSE_DIRECT_IO_RELAX, 68719476736ULL);
VALUE(FUSE_ALLOW_IDMAP, 1099511627776ULL);
VALUE(FUSE_OVER_IO_URING, 2199023255552ULL);
VALUE(FUSE_REQUEST_TIMEOUT, 4398046511104ULL);
VALUE(CUSE_UNRESTRICTED_IOCTL, 1);
VALUE(FUSE_RELEASE_FLUSH, 1);
VALUE(FUSE_RELEASE_FLOCK_UNLOCK, 2);
VALUE(FUSE_GETATTR_FH, 1);
VALUE(FUSE_LK_FLOCK, 1);
VALUE(FUSE_WRITE_CACHE, 1);
VALUE(FUSE_WRITE_LOCKOWNER, 2);
VALUE(FUSE_WRITE_KILL_SUIDGID, 4);
VALUE(FUSE_WRITE_KILL_PRIV, 4);
VALUE(FUSE_READ_LOCKOWNER, 2);
VALUE(FUSE_IOCTL_COMPAT, 1);
VALUE(FUSE_IOCTL_UNRESTRICTED, 2);
VALUE(FUSE_IOCTL_RETRY, 4);
VALUE(FUSE_IOCTL_32BIT, 8);
VALUE(FUSE_IOCTL_DIR, 16);
VALUE(FUSE_IOCTL_COMPAT_X32, 32);
VALUE(FUSE_IOCTL_MAX_IOV, 256);
VALUE(FUSE_POLL_SCHEDULE_NOTIFY, 1);
VALUE(FUSE_FSYNC_FDATASYNC, 1);
VALUE(FUSE_ATTR_SUBMOUNT, 1);
VALUE(FUSE_ATTR_DAX, 2);
VALUE(FUSE_OPEN_KILL_SUIDGID, 1);
VALUE(FUSE_SETXATTR_ACL_KILL_SGID, 1);
VALUE(FUSE_EXPIRE_ONLY, 1);
VALUE(FUSE_MIN_READ_BUFFER, 8192);
VALUE(FUSE_COMPAT_ENTRY_OUT_SIZE, 120);
VALUE(FUSE_COMPAT_ATTR_OUT_SIZE, 96);
VALUE(FUSE_COMPAT_MKNOD_IN_SIZE, 8);
VALUE(FUSE_COMPAT_WRITE_IN_SIZE, 24);
VALUE(FUSE_COMPAT_STATFS_SIZE, 48);
VALUE(FUSE_COMPAT_SETXATTR_IN_SIZE, 8);
VALUE(FUSE_COMPAT_INIT_OUT_SIZE, 8);
VALUE(FUSE_COMPAT_22_INIT_OUT_SIZE, 24);
VALUE(CUSE_INIT_INFO_MAX, 4096);
VALUE(FUSE_UNIQUE_RESEND, 9223372036854775808ULL);
VALUE(FUSE_INVALID_UIDGID, 4294967295ULL);
VALUE(FUSE_NAME_OFFSET, 24);
VALUE(FUSE_NAME_OFFSET_DIRENTPLUS, 152);
VALUE(FUSE_DEV_IOC_MAGIC, 229);
VALUE(FUSE_DEV_IOC_CLONE, 2147804416ULL);
VALUE(FUSE_DEV_IOC_BACKING_OPEN, 1074849025);
VALUE(FUSE_DEV_IOC_BACKING_CLOSE, 1074062594);
VALUE(FUSE_DEV_IOC_SYNC_INIT, 58627);
VALUE(FUSE_SETUPMAPPING_FLAG_WRITE, 1);
VALUE(FUSE_SETUPMAPPING_FLAG_READ, 2);
VALUE(FUSE_REMOVEMAPPING_MAX_ENTRY, 256);
VALUE(FUSE_URING_IN_OUT_HEADER_SZ, 128);
VALUE(FUSE_URING_OP_IN_OUT_SZ, 128);

MEMBER(fuse_ext_type, FUSE_MAX_NR_SECCTX, 31);
MEMBER(fuse_ext_type, FUSE_EXT_GROUPS, 32);

MEMBER(fuse_opcode, FUSE_LOOKUP, 1);
MEMBER(fuse_opcode, FUSE_FORGET, 2);
MEMBER(fuse_opcode, FUSE_GETATTR, 3);
MEMBER(fuse_opcode, FUSE_SETATTR, 4);
MEMBER(fuse_opcode, FUSE_READLINK, 5);
MEMBER(fuse_opcode, FUSE_SYMLINK, 6);
MEMBER(fuse_opcode, FUSE_MKNOD, 8);
MEMBER(fuse_opcode, FUSE_MKDIR, 9);
MEMBER(fuse_opcode, FUSE_UNLINK, 10);
MEMBER(fuse_opcode, FUSE_RMDIR, 11);
MEMBER(fuse_opcode, FUSE_RENAME, 12);
MEMBER(fuse_opcode, FUSE_LINK, 13);
MEMBER(fuse_opcode, FUSE_OPEN, 14);
MEMBER(fuse_opcode, FUSE_READ, 15);
MEMBER(fuse_opcode, FUSE_WRITE, 16);
MEMBER(fuse_opcode, FUSE_STATFS, 17);
MEMBER(fuse_opcode, FUSE_RELEASE, 18);
MEMBER(fuse_opcode, FUSE_FSYNC, 20);
MEMBER(fuse_opcode, FUSE_SETXATTR, 21);
MEMBER(fuse_opcode, FUSE_GETXATTR, 22);
MEMBER(fuse_opcode, FUSE_LISTXATTR, 23);
MEMBER(fuse_opcode, FUSE_REMOVEXATTR, 24);
MEMBER(fuse_opcode, FUSE_FLUSH, 25);
MEMBER(fuse_opcode, FUSE_INIT, 26);
MEMBER(fuse_opcode, FUSE_OPENDIR, 27);
MEMBER(fuse_opcode, FUSE_READDIR, 28);
MEMBER(fuse_opcode, FUSE_RELEASEDIR, 29);
MEMBER(fuse_opcode, FUSE_FSYNCDIR, 30);
MEMBER(fuse_opcode, FUSE_GETLK, 31);
MEMBER(fuse_opcode, FUSE_SETLK, 32);
MEMBER(fuse_opcode, FUSE_SETLKW, 33);
MEMBER(fuse_opcode, FUSE_ACCESS, 34);
MEMBER(fuse_opcode, FUSE_CREATE, 35);
MEMBER(fuse_opcode, FUSE_INTERRUPT, 36);
MEMBER(fuse_opcode, FUSE_BMAP, 37);
MEMBER(fuse_opcode, FUSE_DESTROY, 38);
MEMBER(fuse_opcode, FUSE_IOCTL, 39);
MEMBER(fuse_opcode, FUSE_POLL, 40);
MEMBER(fuse_opcode, FUSE_NOTIFY_REPLY, 41);
MEMBER(fuse_opcode, FUSE_BATCH_FORGET, 42);
MEMBER(fuse_opcode, FUSE_FALLOCATE, 43);
MEMBER(fuse_opcode, FUSE_READDIRPLUS, 44);
MEMBER(fuse_opcode, FUSE_RENAME2, 45);
MEMBER(fuse_opcode, FUSE_LSEEK, 46);
MEMBER(fuse_opcode, FUSE_COPY_FILE_RANGE, 47);
MEMBER(fuse_opcode, FUSE_SETUPMAPPING, 48);
MEMBER(fuse_opcode, FUSE_REMOVEMAPPING, 49);
MEMBER(fuse_opcode, FUSE_SYNCFS, 50);
MEMBER(fuse_opcode, FUSE_TMPFILE, 51);
MEMBER(fuse_opcode, FUSE_STATX, 52);
MEMBER(fuse_opcode, FUSE_COPY_FILE_RANGE_64, 53);
MEMBER(fuse_opcode, CUSE_INIT, 4096);
MEMBER(fuse_opcode, CUSE_INIT_BSWAP_RESERVED, 1048576);
MEMBER(fuse_opcode, FUSE_INIT_BSWAP_RESERVED, 436207616);

MEMBER(fuse_notify_code, FUSE_NOTIFY_POLL, 1);
MEMBER(fuse_notify_code, FUSE_NOTIFY_INVAL_INODE, 2);
MEMBER(fuse_notify_code, FUSE_NOTIFY_INVAL_ENTRY, 3);
MEMBER(fuse_notify_code, FUSE_NOTIFY_STORE, 4);
MEMBER(fuse_notify_code, FUSE_NOTIFY_RETRIEVE, 5);
MEMBER(fuse_notify_code, FUSE_NOTIFY_DELETE, 6);
MEMBER(fuse_notify_code, FUSE_NOTIFY_RESEND, 7);
MEMBER(fuse_notify_code, FUSE_NOTIFY_INC_EPOCH, 8);
MEMBER(fuse_notify_code, FUSE_NOTIFY_PRUNE, 9);

MEMBER(fuse_uring_cmd, FUSE_IO_URING_CMD_INVALID, 0);
MEMBER(fuse_uring_cmd, FUSE_IO_URING_CMD_REGISTER, 1);
MEMBER(fuse_uring_cmd, FUSE_IO_URING_CMD_COMMIT_AND_FETCH, 2);

/* Signed where the kernel's are, and flags of INIT wide enough to be complemented. */
#define IS_SIGNED(type, field) \
	_Static_assert((typeof(((struct type *)0)->field))-1 < 0, #type "." #field)
IS_SIGNED(fuse_out_header, error);
IS_SIGNED(fuse_open_out, backing_id);
IS_SIGNED(fuse_sx_time, tv_sec);
IS_SIGNED(fuse_ioctl_out, result);
IS_SIGNED(fuse_backing_map, fd);
IS_SIGNED(fuse_notify_inval_inode_out, off);
IS_SIGNED(fuse_notify_inval_inode_out, len);
_Static_assert(sizeof(FUSE_ASYNC_READ) == 8 && sizeof(FUSE_INIT_RESERVED) == 8,
	       "INIT flags are 64 bits wide");

Test(wire, a_request_header_lies_in_memory_as_the_kernel_writes_it)
{
	/* clang-format off */
	static const unsigned char bytes[] = {
		0x39, 0x00, 0x00, 0x00,				/* len 57 */
		0x01, 0x00, 0x00, 0x00,				/* LOOKUP */
		0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, /* unique 2, sent again */
		0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* the root */
		0xe8, 0x03, 0x00, 0x00,				/* uid 1000 */
		0xe9, 0x03, 0x00, 0x00,				/* gid 1001 */
		0x15, 0xcd, 0x5b, 0x07,				/* pid 123456789 */
		0x02, 0x00,					/* 16 bytes of extensions */
		0x00, 0x00,
	};
	/* clang-format on */
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		cr_skip("these bytes are a little-endian machine's");

	struct fuse_in_header in;
	cr_assert_eq(sizeof(bytes), sizeof(in));
	memcpy(&in, bytes, sizeof(in));

	cr_assert_eq(in.len, 57);
	cr_assert_eq(in.opcode, FUSE_LOOKUP);
	cr_assert_eq(in.unique, 2 | FUSE_UNIQUE_RESEND);
	cr_assert_eq(in.nodeid, FUSE_ROOT_ID);
	cr_assert_eq(in.uid, 1000);
	cr_assert_eq(in.gid, 1001);
	cr_assert_eq(in.pid, 123456789);
	cr_assert_eq(in.total_extlen, 2);
}

Test(wire, a_reply_carries_its_error_as_a_negative_number)
{
	static const unsigned char bytes[] = {
		0x10, 0x00, 0x00, 0x00, 0xfe, 0xff, 0xff, 0xff,
		0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	};
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		cr_skip("these bytes are a little-endian machine's");

	const struct fuse_out_header out = { .len = sizeof(out), .error = -2, .unique = 7 };
	cr_assert_arr_eq(&out, bytes, sizeof(bytes));
}

Test(wire, directory_records_are_padded_to_eight_bytes)
{
	const struct fuse_dirent entry = { .namelen = 1 };
	const struct fuse_direntplus plus = { .dirent = { .namelen = 9 } };

	cr_assert_eq(FUSE_DIRENT_SIZE(&entry), 32);
	cr_assert_eq(FUSE_DIRENTPLUS_SIZE(&plus), 168);
}
