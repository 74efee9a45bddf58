module example.org/gomod

go 1.19
