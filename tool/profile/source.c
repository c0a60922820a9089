/* See source.h. */
#include "tool/profile/source.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static bool starts_member(const unsigned char *data, size_t size)
{
    return size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

int ebb_source_open(struct ebb_source *source, const void *data, size_t size, const char *name,
                    struct ebb_error *error)
{
    *source =
        (struct ebb_source){.name = name, .next = data, .left = size, .limit = EBB_SOURCE_LIMIT};
    source->packed = starts_member(source->next, size);
    if (!source->packed)
        return 0;
    if (size < EBB_SOURCE_LIMIT / EBB_SOURCE_RATIO)
        source->limit = (uint64_t)size * EBB_SOURCE_RATIO;
    if (source->limit < EBB_SOURCE_FREE)
        source->limit = EBB_SOURCE_FREE;
    enum { GZIP_ONLY = 16 };
    if (inflateInit2(&source->inflater, GZIP_ONLY + MAX_WBITS) != Z_OK) {
        source->packed = false;
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", name);
    }
    source->open = true;
    return 0;
}

static int read_plain(struct ebb_source *source, void *buffer, size_t size, size_t *got)
{
    *got = size < source->left ? size : source->left;
    if (*got)
        memcpy(buffer, source->next, *got);
    source->next += *got;
    source->left -= *got;
    return 0;
}

/* After a member: the next one, the end (or the zeros some tools pad with), or damage. */
static int next_member(struct ebb_source *source, struct ebb_error *error)
{
    source->open = starts_member(source->next, source->left);
    if (source->open)
        return inflateReset(&source->inflater) == Z_OK ? 0 : -EBADMSG;
    for (size_t i = 0; i < source->left; i++)
        if (source->next[i])
            return ebb_error_set(error, -EBADMSG,
                                 "%s: damaged: %zu stray bytes after its gzip data", source->name,
                                 source->left);
    source->left = 0;
    return 0;
}

static int step(struct ebb_source *source, struct ebb_error *error)
{
    z_stream *inflater = &source->inflater;
    size_t offered = source->left < UINT_MAX ? source->left : UINT_MAX;
    inflater->next_in = (unsigned char *)source->next;
    inflater->avail_in = (unsigned)offered;
    int status = inflate(inflater, Z_NO_FLUSH);
    source->next += offered - inflater->avail_in;
    source->left -= offered - inflater->avail_in;
    switch (status) {
    case Z_OK:
        return 0;
    case Z_STREAM_END:
        return next_member(source, error);
    case Z_BUF_ERROR:
        return ebb_error_set(error, -EBADMSG,
                             "%s: truncated: its gzip data ends early; take the profile again",
                             source->name);
    case Z_MEM_ERROR:
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", source->name);
    default:
        return ebb_error_set(error, -EBADMSG, "%s: damaged gzip data: %s", source->name,
                             inflater->msg ? inflater->msg : "unknown reason");
    }
}

int ebb_source_read(struct ebb_source *source, void *buffer, size_t size, size_t *got,
                    struct ebb_error *error)
{
    if (!source->packed)
        return read_plain(source, buffer, size, got);
    unsigned char *out = buffer;
    size_t filled = 0;
    while (filled < size && source->open) {
        size_t room = size - filled < UINT_MAX ? size - filled : UINT_MAX;
        source->inflater.next_out = out + filled;
        source->inflater.avail_out = (unsigned)room;
        int failed = step(source, error);
        if (failed)
            return failed;
        filled += room - source->inflater.avail_out;
    }
    source->produced += filled;
    if (source->produced > source->limit)
        return ebb_error_set(error, -EFBIG,
                             "%s: unpacks to more than %llu MiB, which no honest profile does",
                             source->name, (unsigned long long)(source->limit >> 20));
    *got = filled;
    return 0;
}

void ebb_source_close(struct ebb_source *source)
{
    if (source->packed)
        inflateEnd(&source->inflater);
    source->packed = false;
}
