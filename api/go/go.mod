module modserver

go 1.19
