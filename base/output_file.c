/* See output_file.h. */
#include "base/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the file at `path` (shorter than PATH_MAX) may be replaced; `place` is then where it is once
 * links are followed. */
static bool is_replaceable(const char *path, char place[static PATH_MAX])
{
    struct stat status;
    memcpy(place, path, strlen(path) + 1);
    if (lstat(path, &status) < 0)
        return errno == ENOENT;
    if (S_ISLNK(status.st_mode) && (!realpath(path, place) || stat(place, &status) < 0))
        return false;
    return S_ISREG(status.st_mode);
}

static int open_beside(struct ebb_output_file *file)
{
    int length = snprintf(file->temporary, sizeof file->temporary, "%s.XXXXXX", file->place);
    if (length < 0 || (size_t)length >= sizeof file->temporary)
        return -ENAMETOOLONG;
    int fd = mkostemp(file->temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(fd, 0666 & ~mask) < 0 ? (close(fd), unlink(file->temporary), -errno) : fd;
}

int ebb_output_file_open(struct ebb_output_file *file, const char *path)
{
    file->stream = NULL;
    file->place[0] = file->temporary[0] = '\0';
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    bool replaces = is_replaceable(path, file->place);
    int fd = replaces ? open_beside(file) : open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        file->temporary[0] = '\0';
        return replaces ? fd : -errno;
    }
    file->stream = fdopen(fd, "w");
    if (file->stream)
        return 0;
    close(fd);
    if (replaces)
        unlink(file->temporary);
    return -ENOMEM;
}

int ebb_output_file_close(struct ebb_output_file *file, int failed)
{
    errno = 0;
    if ((fflush(file->stream) != 0 || ferror(file->stream)) && !failed)
        failed = errno ? -errno : -EIO;
    /* Some file systems find out only now that the disk is full. */
    if (!failed && *file->temporary && fsync(fileno(file->stream)) < 0)
        failed = -errno;
    if (fclose(file->stream) != 0 && !failed)
        failed = -errno;
    if (!*file->temporary)
        return failed;
    if (!failed && rename(file->temporary, file->place) < 0)
        failed = -errno;
    if (failed)
        unlink(file->temporary);
    return failed;
}
