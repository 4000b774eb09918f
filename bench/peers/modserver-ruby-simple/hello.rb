def run(s)
  rwrite(s, "Hello, world!\n")
end
