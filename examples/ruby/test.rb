# Calls every function there is and shows what it answers.
#
#     curl -F field=1 -F file=@/etc/hostname -b color=red \
#         'localhost:8080/examples/ruby/test.rb?arg=a%20b'

# Functions that answer something and need no argument.
QUESTIONS = %i[
  get_method get_path get_path_info get_script_name get_route get_query
  get_target get_protocol get_scheme get_remote_addr get_remote_port
  get_server_name get_server_port get_content_length get_request_id
  is_connected is_sent
].freeze

# Once per process, before its first run.
def init(s)
  @runs = 0
  @greeting = "init was called for #{get_path(s)}"
end

def show_request(s)
  QUESTIONS.each { |name| rprintf s, "%s: %s\n", name, s.public_send(name) }
  %i[get_arg get_header get_cookie get_form].each do |get|
    %w[arg field color User-Agent missing].each do |key|
      rprintf s, "%s %s: %s\n", get, key, s.public_send(get, key) || "nil"
    end
  end

  # With a block: all of them, unless it breaks.
  answer = each_arg(s) do |key, value|
    rprintf s, "each_arg %s: %s\n", key, value
    break "stopped" if value == "stop"
  end
  rprintf s, "each_arg: %s\n", answer

  # With a function: until it answers something else than nil, false and 0.
  %i[each_header each_cookie each_form].each do |each|
    visit = lambda do |key, value|
      rprintf s, "%s %s: %s\n", each, key, value
      0
    end
    rprintf s, "%s: %s\n", each, s.public_send(each, visit)
  end

  # Without either: an array.
  rprintf s, "headers: %d\n", each_header(s).size
  each_route(s).each { |r| rprintf s, "each_route %s: %s\n", r.route, r.language }
end

def show_body(s)
  each_upload(s) do |upload|
    rprintf s, "each_upload %s: %s %s %d\n", upload.field, upload.file_name,
            upload.type, upload.size
  end
  if (upload = get_upload(s, "file"))
    rwrite s, "get_upload file: ", upload.read, "\n"
    rwrite s, "rsendfile: "
    rsendfile s, upload.file
    rwrite s, "\n"
  end
  rprintf s, "get_upload missing: %p\n", get_upload(s, "missing")
  rprintf s, "rread: %s\n", rread(s, 4)
  rrewind s
  rprintf s, "rread all: %d\n", rread(s).bytesize
  rprintf s, "rread end: %p\n", rread(s, 4)
end

def run(s)
  @runs += 1
  set_status s, 201
  set_header s, "Content-Type", "text/plain; charset=UTF-8"
  set_header s, "X-Replaced", "first"
  set_header s, "X-Replaced", "second"
  set_header s, "X-Removed", "value"
  set_header s, "X-Removed", nil
  add_header s, "Set-Cookie", "one=1"
  add_header s, "Set-Cookie", "two=2"
  rwrite s, @greeting, "\nruns: ", @runs, "\n"
  show_request s
  show_body s
  rwrite s, "octets: \0\1\xfe\xff ", "ä\n"
  rlog s, "test.rb was run with %s", get_query(s)
  s.rflush # each function is a method of s as well
  rprintf s, "is_sent after rflush: %s\n", is_sent(s)
end

# Before the process exits.
def cleanup
  puts "test.rb: cleanup was called"
end
