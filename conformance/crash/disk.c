/*
 * Under a program's file operations (LD_PRELOAD): writes down what it does to the files of one folder, so that a power
 * loss can be played afterwards, or lets one operation fail.
 *
 *   DISK_FOLDER   the folder; what happens elsewhere passes by
 *   DISK_LOG      where to write operations down; without it nothing is written down
 *   DISK_SYNC_US  a sync takes up to so many microseconds; it is only noted, nothing reaches the real disk for it
 *   DISK_FAIL     NUMBER:FAULT, the operation of that number, from 1, meets a fault, and with NUMBER+:FAULT all from
 *                 there on: eio, enospc; torn-eio, torn-enospc (a write writes half of it and fails); short (half, no error)
 *   DISK_COUNT    a file that gets the number of operations at the end of the process
 *
 * Operations are those that change something: opening to create or cut, write, ftruncate, fsync, fdatasync, rename,
 * unlink, mkdir, rmdir. The log is a list of records: kind (1 byte), inode (8), number (8), length (8), bytes. What each
 * kind means is said in power.py, which reads them.
 *
 * cc -shared -fPIC -O2 -o disk.so disk.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char folder[PATH_MAX];
static size_t folder_length;
static int log_fd = -1;
static unsigned sync_us;
static uint64_t calls, fail_at;
static int fail_on, fail_errno, fail_torn, fail_short;
/* The inode behind each descriptor of the folder, 0 for others. */
static uint64_t inodes[FILES];

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_unlinkat)(int, const char *, int);
static int (*real_mkdir)(const char *, mode_t);
static int (*real_rmdir)(const char *);
static int (*real_fcntl)(int, int, ...);

static void count_at_exit(void) {
    const char *path = getenv("DISK_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%llu\n", (unsigned long long)calls);
        fclose(file);
    }
}

static void read_fault(const char *text) {
    char *rest;
    fail_at = strtoull(text, &rest, 10);
    if (*rest == '+') {
        fail_on = 1;
        rest++;
    }
    fail_torn = strncmp(rest, ":torn-", 6) == 0;
    fail_short = strcmp(rest, ":short") == 0;
    fail_errno = strstr(rest, "enospc") ? ENOSPC : EIO;
}

static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_openat = dlsym(RTLD_NEXT, "openat64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_unlinkat = dlsym(RTLD_NEXT, "unlinkat");
    real_mkdir = dlsym(RTLD_NEXT, "mkdir");
    real_rmdir = dlsym(RTLD_NEXT, "rmdir");
    real_fcntl = dlsym(RTLD_NEXT, "fcntl64");
    const char *path = getenv("DISK_FOLDER");
    if (path) {
        snprintf(folder, sizeof folder, "%s", path);
        folder_length = strlen(folder);
    }
    path = getenv("DISK_LOG");
    if (path)
        log_fd = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    path = getenv("DISK_SYNC_US");
    sync_us = path ? (unsigned)atoi(path) : 0;
    path = getenv("DISK_FAIL");
    if (path)
        read_fault(path);
    atexit(count_at_exit);
}

static void setup(void) { pthread_once(&once, begin); }

/* Whether a path, absolute or not, leads into the folder; `full` gets it from the root. */
static int inside(const char *path, char *full) {
    setup();
    if (!folder_length || !path)
        return 0;
    if (path[0] == '/') {
        snprintf(full, PATH_MAX, "%s", path);
    } else {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here))
            return 0;
        if (strncmp(path, "./", 2) == 0)
            path += 2;
        if (snprintf(full, PATH_MAX, "%s/%s", here, path) >= PATH_MAX)
            return 0;
    }
    return strncmp(full, folder, folder_length) == 0 && (full[folder_length] == '/' || !full[folder_length]);
}

static uint64_t tracked(int fd) {
    setup();
    return fd >= 0 && fd < FILES ? inodes[fd] : 0;
}

/* The fault of this operation; called with the lock held. 0 for none. */
static int fault(void) {
    calls++;
    return fail_at && (calls == fail_at || (fail_on && calls > fail_at));
}

static void note(char kind, uint64_t inode, uint64_t number, const void *bytes, uint64_t length) {
    if (log_fd < 0)
        return;
    char head[25];
    head[0] = kind;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &number, 8);
    memcpy(head + 17, &length, 8);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)bytes, length}};
    size_t want = sizeof head + length;
    ssize_t done = writev(log_fd, parts, 2);
    while (done >= 0 && (size_t)done < want) {
        size_t rest = want - (size_t)done;
        ssize_t more = (size_t)done < sizeof head ? -1 : real_write(log_fd, (const char *)bytes + (length - rest), rest);
        if (more < 0)
            break;
        done += more;
    }
    if (done < 0 || (size_t)done < want) {
        fprintf(stderr, "disk.so: cannot write down what happens\n");
        _exit(99);
    }
}

/* A change that names paths: C created, R renamed (two, with a zero between), U unlinked, M mkdir, D rmdir. */
static void note_path(char kind, uint64_t inode, const char *first, const char *second) {
    char text[2 * PATH_MAX];
    size_t length = strlen(first) + 1;
    memcpy(text, first, length);
    if (second) {
        memcpy(text + length, second, strlen(second) + 1);
        length += strlen(second) + 1;
    }
    note(kind, inode, 0, text, length);
}

static int opened(const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    if (!inside(path, full))
        return real_open(path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat before, after;
    int is_new = stat(full, &before) != 0;
    int changes = (is_new && (flags & O_CREAT)) || (!is_new && (flags & O_TRUNC));
    int fd = -1;
    if (changes && fault() && !fail_short) {
        errno = fail_errno;
    } else {
        fd = real_open(path, flags, mode);
    }
    if (fd >= 0 && fstat(fd, &after) == 0) {
        if (fd < FILES)
            inodes[fd] = after.st_ino;
        if (is_new)
            note_path('C', after.st_ino, full, NULL);
        else if (flags & O_TRUNC)
            note('T', after.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list list) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; }

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode_t mode = mode_of(flags, list);                                                                            \
        va_end(list);                                                                                                  \
        return opened(path, flags, mode);                                                                              \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                   \
    int name(int at, const char *path, int flags, ...) {                                                               \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode_t mode = mode_of(flags, list);                                                                            \
        va_end(list);                                                                                                  \
        setup();                                                                                                       \
        if (at == AT_FDCWD || path[0] == '/')                                                                          \
            return opened(path, flags, mode);                                                                          \
        return real_openat(at, path, flags, mode);                                                                     \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    setup();
    if (fd >= 0 && fd < FILES)
        inodes[fd] = 0;
    return real_close(fd);
}

#define FCNTL(name)                                                                                                    \
    int name(int fd, int command, ...) {                                                                               \
        va_list list;                                                                                                  \
        va_start(list, command);                                                                                       \
        void *argument = va_arg(list, void *);                                                                         \
        va_end(list);                                                                                                  \
        setup();                                                                                                       \
        int result = real_fcntl(fd, command, argument);                                                                \
        if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && result >= 0 && result < FILES)                       \
            inodes[result] = tracked(fd);                                                                              \
        return result;                                                                                                 \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

/* All of the file that was written down before S is on stable storage at the E of the same number. */
static void safe(uint64_t inode) {
    static uint64_t syncs;
    static unsigned random = 1;
    pthread_mutex_lock(&lock);
    uint64_t number = ++syncs;
    random = random * 1664525u + 1013904223u;
    unsigned pause = sync_us ? (random >> 8) % sync_us : 0;
    note('S', inode, number, NULL, 0);
    pthread_mutex_unlock(&lock);
    if (pause)
        usleep(pause);
    pthread_mutex_lock(&lock);
    note('E', inode, number, NULL, 0);
    pthread_mutex_unlock(&lock);
}

/* Whether the kernel makes each write to the file one with an fdatasync (`chattr +S`). */
static int is_written_through(int fd) {
    int flags = 0;
    return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_SYNC_FL;
}

static ssize_t written(int fd, const void *bytes, size_t length, off_t offset, int here) {
    uint64_t inode = tracked(fd);
    if (!inode)
        return here ? real_write(fd, bytes, length) : real_pwrite(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    size_t count = length;
    int fails = fault() && length > 0, error = 0;
    if (fails) {
        error = fail_short ? 0 : fail_errno;
        count = fail_short ? (length + 1) / 2 : fail_torn ? length / 2 : 0;
    }
    if (here)
        offset = real_fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    ssize_t done = count ? (here ? real_write(fd, bytes, count) : real_pwrite(fd, bytes, count, offset)) : 0;
    if (done > 0)
        note('W', inode, (uint64_t)offset, bytes, (uint64_t)done);
    pthread_mutex_unlock(&lock);
    if (done > 0 && log_fd >= 0 && is_written_through(fd))
        safe(inode);
    if (error) {
        errno = error;
        return -1;
    }
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, 0, 1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at, 0); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at, 0); }

static int cut(int fd, off_t length) {
    uint64_t inode = tracked(fd);
    if (!inode)
        return real_ftruncate(fd, length);
    pthread_mutex_lock(&lock);
    int result = -1;
    if (fault() && !fail_short) {
        errno = fail_errno;
    } else {
        result = real_ftruncate(fd, length);
        if (result == 0)
            note('T', inode, (uint64_t)length, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off_t length) { return cut(fd, length); }

static int synced(int fd, int (*real)(int)) {
    uint64_t inode = tracked(fd);
    if (!inode)
        return real(fd);
    pthread_mutex_lock(&lock);
    int fails = fault() && !fail_short;
    pthread_mutex_unlock(&lock);
    if (fails) {
        errno = fail_errno;
        return -1;
    }
    if (log_fd < 0)
        return real(fd);
    safe(inode);
    return 0;
}

int fsync(int fd) {
    setup();
    return synced(fd, real_fsync);
}

int fdatasync(int fd) {
    setup();
    return synced(fd, real_fdatasync);
}

int rename(const char *from, const char *to) {
    char first[PATH_MAX], second[PATH_MAX];
    if (!inside(from, first) || !inside(to, second))
        return real_rename(from, to);
    pthread_mutex_lock(&lock);
    int result = -1;
    if (fault() && !fail_short)
        errno = fail_errno;
    else if ((result = real_rename(from, to)) == 0)
        note_path('R', 0, first, second);
    pthread_mutex_unlock(&lock);
    return result;
}

static int one_path(const char *path, char kind, mode_t mode) {
    char full[PATH_MAX];
    int is_inside = inside(path, full);
    pthread_mutex_lock(&lock);
    int result = -1;
    if (is_inside && fault() && !fail_short) {
        errno = fail_errno;
    } else {
        result = kind == 'U' ? real_unlink(path) : kind == 'M' ? real_mkdir(path, mode) : real_rmdir(path);
        struct stat made;
        if (is_inside && result == 0)
            note_path(kind, kind == 'M' && stat(full, &made) == 0 ? made.st_ino : 0, full, NULL);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) { return one_path(path, 'U', 0); }
int mkdir(const char *path, mode_t mode) { return one_path(path, 'M', mode); }
int rmdir(const char *path) { return one_path(path, 'D', 0); }

/* Used where a whole folder goes. */
int unlinkat(int at, const char *path, int flags) {
    setup();
    char above[PATH_MAX], name[64], full[PATH_MAX];
    if (at == AT_FDCWD || path[0] == '/')
        return one_path(path, flags & AT_REMOVEDIR ? 'D' : 'U', 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", at);
    ssize_t length = readlink(name, above, sizeof above - 1);
    if (length > 0) {
        above[length] = 0;
        if (snprintf(full, sizeof full, "%s/%s", above, path) < (int)sizeof full)
            return one_path(full, flags & AT_REMOVEDIR ? 'D' : 'U', 0);
    }
    return real_unlinkat(at, path, flags);
}
