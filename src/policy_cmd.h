/* policy_cmd: `erlgate policy`: asks a policy's file, without a gateway. */
#ifndef ERLGATE_SRC_POLICY_CMD_H
#define ERLGATE_SRC_POLICY_CMD_H

/* Gives the status to exit with: 0: allowed, 6: denied, 2: wrong use or a bad file. */
int policy_command(int argc, char **argv);

#endif
