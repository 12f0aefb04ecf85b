// The speed of what is done with token matrices, beside the peak of one thread in the same run.
#ifndef NESTOR_CLIENT_KERNELS_TOKENS_H_
#define NESTOR_CLIENT_KERNELS_TOKENS_H_

namespace nestor {

// Prints it.
void RunTokens();

}  // namespace nestor

#endif  // NESTOR_CLIENT_KERNELS_TOKENS_H_
