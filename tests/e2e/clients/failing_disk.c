/*
 * A disk that fails: preloaded, it answers EIO where a recording is written or synced, for as long as the file that
 * FAILING_DISK names exists. Its content says which: "write" or "sync".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_recording(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 4 && memcmp(path + length - 4, ".rec", 4) == 0;
}

/* What fails now, if it does. */
static int fails(const char *what, int fd) {
    const char *control = getenv("FAILING_DISK");
    FILE *file = control && is_recording(fd) ? fopen(control, "r") : NULL;
    char word[16] = "";
    if (file) {
        if (fscanf(file, "%15s", word) != 1) word[0] = 0;
        fclose(file);
    }
    return strcmp(word, what) == 0;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "write");
    if (fails("write", fd)) {
        errno = EIO;
        return -1;
    }
    return real(fd, bytes, count);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    if (fails("sync", fd)) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}
