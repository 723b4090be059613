/* mode: of files with secrets. */
#ifndef ERLGATE_BASE_MODE_H
#define ERLGATE_BASE_MODE_H

#include <stdbool.h>
#include <sys/stat.h>

/* May others than the owner and his group use it, or the group write it? That a group may read it is how
 * secrets are handed to a user who is not root. */
static inline bool mode_is_exposed(mode_t mode)
{
    return (mode & (S_IRWXO | S_IWGRP)) != 0;
}

#endif
