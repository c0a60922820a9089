/* Clearing away what programs with libebb leave behind when they are killed. */
#ifndef EBB_CHANNEL_TIDY_H
#define EBB_CHANNEL_TIDY_H

/* Removes the records that processes of this user left without ending properly and that hold nothing
 * but maps. Those of an agent stay, and those that somebody is reading. O(records). Keeps errno.
 * Thread-safe; not for signal handlers. */
void ebb_channel_tidy(void);

#endif
