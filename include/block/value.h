/* SPDX-License-Identifier: MIT */
#include "util/value.h"
