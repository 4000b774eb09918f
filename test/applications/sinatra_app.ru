# What test_66_rack.py asks of Sinatra, at /, at /sinatra and with Rack::Lint around it
# at /lint, whichever server runs it.
require "digest"
require "rack/lint"
require "sinatra/base"

class App < Sinatra::Base
  set :host_authorization, permitted_hosts: []
  disable :protection

  get("/") { "root #{request.script_name.inspect} #{request.path_info.inspect}" }

  get "/path/*" do
    content_type :text
    [env["PATH_INFO"], env["SCRIPT_NAME"], env["QUERY_STRING"], params["splat"].first,
     params["a"], url("/x"), request.ip, request.host].join("\n")
  end

  get "/header" do
    content_type :text
    [request.user_agent, env["HTTP_X_TWICE"], env["HTTP_COOKIE"], env["HTTP_UNDER_SCORE"].inspect].join("\n")
  end

  post "/echo" do
    data = request.body.read
    request.body.rewind
    "#{request.content_length} #{data.bytesize} #{Digest::MD5.hexdigest(data)} " \
      "#{Digest::MD5.hexdigest(request.body.read)} #{env['HTTP_TRANSFER_ENCODING'].inspect}"
  end

  post "/upload" do
    file = params["file"]
    "#{params['field']} #{file['filename']} #{file['type']} #{Digest::MD5.hexdigest(file['tempfile'].read)}"
  end

  get "/cookies" do
    response.set_cookie "one", "1"
    response.set_cookie "two", value: "2", path: "/"
    request.cookies.inspect
  end

  get "/stream" do
    content_type :text
    Enumerator.new do |pieces|
      3.times do |i|
        pieces << "piece #{i}\n"
        sleep 0.01 until File.exist?("#{params['turn']}#{i}")
      end
    end
  end

  get("/redirect") { redirect to("/path/there") }

  get "/etag" do
    etag "abc"
    "tagged"
  end

  get("/file") { send_file __FILE__, type: :text }
  get("/boom") { raise "it went boom" }
  get("/status") { [418, { "X-Lines" => "a\nb" }, []] }
end

map("/sinatra") { run App }
map("/lint") { run Rack::Lint.new(App) }
map("/") { run App }
