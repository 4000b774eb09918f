# The shortest servlet in Ruby.
#
#     curl localhost:8080/examples/ruby/hello.rb

def run(s)
  rwrite s, "Hello, world!\n"
end
