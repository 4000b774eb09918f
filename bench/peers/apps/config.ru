# A Rack application: /hello, /bench/sleep?ms=N, /bench/upload.
upload = lambda do |input|
  total = 0
  while (piece = input.read(65536))
    total += piece.bytesize
  end
  total
end

run(lambda do |env|
  body = "Hello, world!\n"
  case env["PATH_INFO"]
  when "/bench/upload" then body = "#{upload.call(env['rack.input'])}\n"
  when "/bench/sleep" then sleep env["QUERY_STRING"].delete_prefix("ms=").to_i / 1000.0
  end
  [200, { "Content-Type" => "text/html; charset=UTF-8",
          "Content-Length" => body.bytesize.to_s }, [body]]
end)
