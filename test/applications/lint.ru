# Rack::Lint between the server and an application of every kind of answer.
require "rack"
require "rack/lint"

class Closing
  def initialize(pieces, note) = (@pieces, @note = pieces, note)
  def each(&block) = @pieces.each(&block)
  def close = @note.puts("closed")
end

class Named < Closing
  def to_path = @pieces
  def each = raise("each is not to be called")
end

# One that cannot be closed.
class Stuck < Closing
  def close = raise("close of #{super.inspect}")
end

class Called
  def call(stream)
    $stream = stream
    stream << "called "
    stream.write(stream.read.to_s, "!")
    stream.close
  end
end

TEXT = { "Content-Type" => "text/plain" }.freeze

answers = lambda do |env|
  input, errors = env["rack.input"], env["rack.errors"]
  case env["PATH_INFO"]
  when "/read" then [200, TEXT, [input.read(3).to_s, "|", input.read.to_s]]
  when "/gets" then [200, TEXT, [input.gets.inspect, input.read(2).inspect, input.gets.inspect, input.gets.inspect]]
  when "/each"
    lines = []
    input.each { |line| lines << line }
    input.rewind
    [200, TEXT, [lines.inspect, input.read.bytesize.to_s]]
  when "/buffer"
    buffer = "old".b
    [200, TEXT, [input.read(2, buffer).inspect, buffer.inspect, input.read(100, buffer).inspect,
                 input.read(1, buffer).inspect, buffer.inspect]]
  when "/closing" then [200, TEXT, Closing.new(%w[a b], errors)]
  when "/named" then [200, TEXT, Named.new(__FILE__, errors)]
  when "/errors"
    errors.puts "first"
    errors.write "second\nthird"
    errors.flush
    [200, TEXT, []]
  when "/204" then [204, {}, []]
  when "/304" then [304, { "ETag" => '"x"' }, []]
  when "/length" then [200, TEXT.merge("Content-Length" => "5"), ["12345"]]
  when "/many" then [200, TEXT.merge("Set-Cookie" => "a=1\nb=2"), ["x"]]
  when "/stuck" then [200, TEXT, Stuck.new(%w[a b], errors)]
  when "/late" then [200, TEXT, Closing.new(Enumerator.new { |y| y << "x"; raise "late" }, errors)]
  when "/raise" then raise ArgumentError, "raised"
  when "/exit" then exit
  else [200, TEXT, env.sort.map { |key, value| "#{key}=#{value.inspect}\n" }]
  end
end

# What Rack::Lint of one version would not let through.
bare = lambda do |env|
  case env["PATH_INFO"]
  when "/call" then [200, { "content-type" => "text/plain" }, Called.new]
  when "/kept" then [200, {}, [begin $stream.read(1) rescue $!.message end]]
  when "/closing" then [200, {}, Class.new(Array) { define_method(:close) { env["rack.errors"].puts("closed") } }.new(["x"])]
  when "/array" then [200, { "content-type" => "text/plain", "set-cookie" => %w[a=1 b=2] }, ["x"]]
  when "/number" then ["200", { "X-Number" => 5, "rack.special" => "no" }, ["x"]]
  when "/chunked" then Rack::Chunked.new(->(_) { [200, TEXT.dup, Closing.new(["a" * 20, "b;\r\n"], env["rack.errors"])] }).call(env)
  when "/nothing" then nil
  when "/informational" then [100, {}, []]
  when "/split" then [200, TEXT.merge("X-Evil" => "a\rb"), ["x"]]
  end
end

map("/bare") { run bare }
map("/") { run Rack::Lint.new(answers) }
