#pragma once

/** Connect to sway's control socket ($SWAYSOCK). */
int sway_connect(const char *path);

/** Have sway do one command, and wait until it has. */
void sway_do(int fd, const char *command);
