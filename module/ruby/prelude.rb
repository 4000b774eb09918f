# prelude.rb - what the Ruby module is easier said in Ruby.
#
# It is compiled into the module and run when Ruby starts.  Names that begin
# with a small letter here are called by the module alone, but for the
# functions, which api.c adds; api/ruby/modserver.rbs documents those.

module Modserver
  Route = Struct.new(:route, :language, :description, :file)

  # A file uploaded in a multipart/form-data body.
  class Upload
    attr_reader :field, :file_name, :type, :size, :file

    def initialize(field, file_name, type, size, descriptor)
      @field, @file_name, @type, @size = field, file_name, type, size
      @file = File.for_fd(descriptor, "rb")
      @file.rewind
    end

    def read(...) = @file.read(...)

    def inspect = "#<#{self.class} #{@file_name.inspect} #{@type} #{@size}>"
  end

  # rack.input: the body of a request, as IO has it.
  class Input
    PIECE = 16_384

    def initialize(servlet)
      @servlet, @rest = servlet, nil
    end

    def read(length = nil, buffer = nil)
      raise ArgumentError, "negative length #{length} given" if length&.negative?
      data = @rest ? read_on(length) : @servlet.rread(length)
      return data unless buffer
      buffer.replace(data || "".b)
      data && buffer
    end

    def gets
      line, @rest = @rest || "".b, nil
      until (at = line.index("\n"))
        more = @servlet.rread(PIECE)
        return line.empty? ? nil : line unless more
        line << more
      end
      @rest = line.byteslice(at + 1..) if at + 1 < line.bytesize
      line.byteslice(0..at)
    end

    def each
      while (line = gets)
        yield line
      end
      self
    end

    def rewind
      @servlet.rrewind
      @rest = nil
      0
    end

    def size = @servlet.get_content_length
    alias length size

    def close = nil

    private

    # Behind what gets has read too much.
    def read_on(length)
      data, @rest = @rest, nil
      return data << @servlet.rread unless length
      @rest = data.byteslice(length..) if length < data.bytesize
      data = data.byteslice(0, length)
      more = @servlet.rread(length - data.bytesize) if length > data.bytesize
      more ? data + more : data
    end
  end

  # rack.input of a request without a body: there is nothing to keep apart.
  class NullInput
    def read(length = nil, buffer = nil)
      buffer&.replace("".b)
      length.to_i.positive? ? nil : buffer || "".b
    end

    def gets = nil
    def each = self
    def rewind = 0
    def size = 0
    alias length size
    def close = nil
  end

  # rack.errors: lines of the error log, with the request's id.
  class Errors
    def write(*objects)
      text = objects.join
      Modserver.report(text)
      text.bytesize
    end

    def puts(*objects)
      objects = [""] if objects.empty?
      objects.flatten.each { |object| write(object, "\n") }
      nil
    end

    def print(*objects) = (write(*objects); nil)

    def <<(object)
      write(object)
      self
    end

    def flush = self
    def sync = true
    def close = nil
  end

  # What a body of Rack 3 that has `call` is called with.
  class Stream
    def initialize(servlet)
      @servlet, @closed = servlet, false
      @input = Input.new(servlet)
    end

    def read(...) = @input.read(...)

    def write(*objects)
      raise IOError, "closed stream" if @closed
      text = objects.join
      if @servlet.rwrite(text) < text.bytesize
        raise Errno::EPIPE, "the client has gone"
      end
      @servlet.rflush
      text.bytesize
    end

    def <<(object)
      write(object)
      self
    end

    def flush = self
    def close_read = nil
    def close_write = close
    def close(*) = (@closed = true; nil)
    def closed? = @closed
  end

  NULL_INPUT = NullInput.new.freeze

  # What is the same in every env.
  ENV_TEMPLATE = {
    "rack.version" => [1, 6].freeze,
    "rack.errors" => Errors.new,
    "rack.multithread" => false,
    "rack.multiprocess" => true,
    "rack.run_once" => false,
    "rack.hijack?" => false,
    "SERVER_SOFTWARE" => "modserver",
    "GATEWAY_INTERFACE" => "CGI/1.2",
  }.freeze

  # Servlets are modules of their own; these are their names.
  module Files
  end

  class << self
    def start(gemfile)
      $0 = "modserver"
      @directories, @failed = [], []
      $stdout.sync = true
      ENV["RACK_ENV"] ||= "production"
      # Whatever the locale, text is UTF-8.
      if Encoding.default_external == Encoding::US_ASCII
        Encoding.default_external = Encoding::UTF_8
      end
      use_gemfile(File.expand_path(gemfile)) if gemfile
      TOPLEVEL_BINDING.receiver.extend(self)
    end

    # An exception as Ruby itself prints it, without the frames that are ours.
    def describe(error)
      return "#{error.inspect} left the servlet" unless error.is_a?(Exception)
      hide(error)
      return "#{error.message} (#{error.class})" if error.backtrace.to_a.empty?
      error.full_message(highlight: false, order: :top)
    rescue Exception
      ["#{error.class} (it cannot be printed)", *error.backtrace].join("\n\tfrom ")
    end

    # Loads a file of functions and returns the object that has them.
    def load_file(path)
      beside(path) do
        # The file's own top-level self is what it keeps its variables in.
        object = nil
        trace = TracePoint.new(:line) do |at|
          if at.path == path
            object = at.self
            trace.disable
          end
        end
        trace.enable
        begin
          load(path, wrapper(path))
        ensure
          trace.disable
        end
        unless object.respond_to?(:run, true)
          raise LoadError, "#{path} defines no run(s)"
        end
        object
      end
    end

    # Loads config.ru and returns the application.
    def load_rack(path)
      beside(path) do
        begin
          require "rack"
        rescue LoadError => e
          raise e.class, "#{path} needs the gem rack: apt-get install ruby-rack, " \
                         "or put it into the Gemfile (#{e.message})"
        end
        require "rack/builder"
        require "uri" # Rack::Lint counts on a server's having it
        app, = ::Rack::Builder.parse_file(path)
        app
      end
    end

    # The files that were required from the servlets' own directories, and those
    # where a load has failed.
    def files
      gems = Gem.path.map { |path| "#{path}/" }
      [*$LOADED_FEATURES, *@failed].uniq.select do |file|
        file.start_with?(*@directories) && !file.start_with?(*gems)
      end
    end

    def stream(servlet, body)
      body.call(Stream.new(servlet))
    rescue Errno::EPIPE
      raise if servlet.is_connected
    end

    private

    def hide(error)
      while error
        frames = error.backtrace
        error.set_backtrace(frames.grep_v(/\A<internal:modserver>/)) if frames
        error = error.cause
      end
    end

    # Does it with the file's directory as the current one, which is what
    # applications expect while they are loaded, and with its gems.
    def beside(path)
      directory = File.dirname(path)
      @directories |= ["#{directory}/", "#{File.realpath(directory)}/"]
      gemfile = File.join(directory, "Gemfile")
      Dir.chdir(directory) do
        use_gemfile(gemfile) if File.file?(gemfile)
        yield
      end
    rescue Exception => e
      # Of a syntax error the file is in the message only.
      @failed.concat([e.message, *e.backtrace].filter_map { |line| line.scrub[/\A(.+?):\d+/, 1] })
      raise
    end

    def use_gemfile(path)
      return if path == @gemfile
      if @gemfile
        raise LoadError, "#{path}: the gems of #{@gemfile} are in use already, " \
                         "and there is one set in a server"
      end
      ENV["BUNDLE_GEMFILE"] = path
      require "bundler/setup"
      @gemfile = path
    end

    # A module for the file's names, called after the file.
    def wrapper(path)
      return true if RUBY_VERSION < "3.1"
      name = File.basename(path, ".*").gsub(/[^A-Za-z0-9_]/, "_").capitalize
      name = "File_#{name}" unless name.match?(/\A[A-Z]/)
      name += "_" while Files.const_defined?(name, false)
      Files.const_set(name, Module.new)
    end
  end
end
