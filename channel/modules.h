/* Which code is mapped where: the record's list of modules, kept like the dynamic linker's.
 *
 * The calls below make no allocation. Thread-safe, except ebb_modules_forget. */
#ifndef EBB_CHANNEL_MODULES_H
#define EBB_CHANNEL_MODULES_H

#include "channel/writer.h"

/* Publishes modules that were loaded and notes those that were unloaded since the last time. */
void ebb_modules_refresh(struct ebb_writer *writer);

/* The same when it may be needed: a stack was new, or a second passed. */
void ebb_modules_check(struct ebb_writer *writer, bool is_new_stack);

/* Forgets what was published: a child by fork begins anew. */
void ebb_modules_forget(void);

#endif
