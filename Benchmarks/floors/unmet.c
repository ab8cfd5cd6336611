// SPDX-License-Identifier: GPL-3.0-or-later
//
// The cheapest check there is: the condition does not hold. Linked statically, so that its start costs least.

int main(void) { return 1; }
