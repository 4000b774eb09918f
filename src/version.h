/*
 * version.h - what this program calls itself.
 */
#ifndef VERSION_H
#define VERSION_H

#ifndef MODSERVER_VERSION
#define MODSERVER_VERSION "0.1.0"
#endif

#endif
