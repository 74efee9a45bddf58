# A crash is seen where it happened.
#args crash
continue
#expect (Program|Thread 1) received signal SIGSEGV
backtrace
#expect #0 .*crash
print $_siginfo._sifields._sigfault.si_addr
#expect 0x8
continue
#expect Program terminated with signal SIGSEGV
