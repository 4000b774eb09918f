# What Rack can answer with, beside the servlet: see soak_ruby.py.

class Pieces
  def initialize(count) = @count = count
  def each = @count.times { |i| yield "#{i} " }
  def close = Thread.new { :closed }.join
end

run lambda { |env|
  raise "raised" if env["PATH_INFO"] == "/raise"
  [200, { "Content-Type" => "text/plain" }, Pieces.new(env["QUERY_STRING"].to_i % 5 + 1)]
}
