/* SPDX-License-Identifier: MIT */
/* The PL061's wires beside its interrupt. */
#ifndef HW_GPIO_PL061_H
#define HW_GPIO_PL061_H

#include "hw/device.h"

/* Input n of 8. */
IRQLine pl061_input(Device *dev, int n);
/* Where output n goes. */
void pl061_connect(Device *dev, int n, IRQLine line);

#endif
