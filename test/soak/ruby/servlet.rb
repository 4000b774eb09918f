# One function for each path below /s, see soak_ruby.py.

require "timeout"

# For so many requests of a worker the collector runs at each allocation, also
# within the functions of the servlet.  It takes more than a second each time.
STRESSED = 1

class Broken < StandardError; end

def threads
  (1..8).map { |i| Thread.new { sleep 0.001; i * i } }.sum(&:value)
end

def mutex
  count, lock = 0, Mutex.new
  4.times.map { Thread.new { 25.times { lock.synchronize { count += 1 } } } }.each(&:join)
  count
end

def timeout
  Timeout.timeout(0.005) { sleep }
rescue Timeout::Error
  "in time"
end

def backticks
  `echo from a process`.chomp
end

def child
  output, input = IO.pipe
  pid = fork do
    output.close
    input.write [3, 1, 2].sort.join
    input.close
    exit! 7
  end
  input.close
  text = output.read
  output.close
  _, status = Process.wait2(pid)
  "#{text} #{status.exitstatus}"
end

def stress(s)
  @stressed = (@stressed || 0) + 1
  GC.stress = @stressed <= STRESSED
  names = []
  s.each_header { |name, value| names << name if value; nil }
  s.rwrite (1..20).map { |i| "#{i} " * 2 }.join.size.to_s, " ", s.get_arg("n"), " ", names.include?("Host").to_s
  nil
ensure
  GC.stress = false
end

def garbage
  all = (1..2000).map { |i| [i.to_s] }
  GC.start
  all.size
end

def fiber
  f = Fiber.new { 3.times { |i| Fiber.yield i }; :end }
  4.times.map { f.resume }.join
end

def deep
  Thread.new { Thread.current.report_on_exception = false; raise Broken, "in a thread" }.join
end

def endless
  endless
end

def caught
  raise Broken, "caught"
rescue Broken => e
  e.message
end

def run(s)
  answer =
    case s.get_path_info
    when "/threads" then threads
    when "/mutex" then mutex
    when "/timeout" then timeout
    when "/backticks" then backticks
    when "/fork" then child
    when "/stress" then stress s
    when "/garbage" then garbage
    when "/fiber" then fiber
    when "/caught" then caught
    when "/deep" then deep
    when "/endless" then endless
    when "/exit" then exit
    when "/throw" then throw :nobody
    when "/raise" then s.rwrite("half an answer"); raise Broken, "raised"
    when "/sum" then (1..3).sum { |i| i * s.get_arg("n").to_i }
    end
  s.rwrite answer.to_s
end
