// The modules of these examples; nothing here needs a network.
module examples

go 1.19

require modserver v0.0.0

replace modserver => ../../api/go
