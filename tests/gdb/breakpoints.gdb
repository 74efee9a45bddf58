# Breakpoints, registers, memory, steps, a function called, the end.
break mean
continue
#expect Breakpoint 1, mean \(a=(a@entry=)?1, b=(b@entry=)?3\)
info registers pc
#expect pc +0x[0-9a-f]+ +0x[0-9a-f]+ <mean\+?[0-9]*>
print $d0.f + $d1.f
#expect = 4$
finish
#expect Value returned is .* = 2$
break work
continue
#expect Breakpoint 2, work \(n=(n@entry=)?2\)
stepi
stepi
backtrace
#expect ^#0 +(0x[0-9a-f]+ in )?work \(n=
#expect ^#1 +0x[0-9a-f]+ in main
set var counter = 40
finish
#expect Value returned is .* = 84$
delete
print work(8)
#expect = 100$
info auxv
#expect AT_ENTRY
x/2i $pc
#expect => 0x[0-9a-f]+ <main
print $x5 = 0x123456789
#expect = 4886718345
info registers x5
#expect 0x123456789
handle SIGUSR1 nostop noprint pass
handle SIG36 nostop noprint pass
continue
#expect exited with code 05
