# A Sinatra application: /hello.
require "sinatra/base"

class Hello < Sinatra::Base
  set :environment, :production

  get("/hello") { "Hello, world!\n" }
end

run Hello
