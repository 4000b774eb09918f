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

  # Servlets are modules of their own; these are their names.
  module Files
  end

  class << self
    def start(gemfile)
      $0 = "modserver"
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
        app, = ::Rack::Builder.parse_file(path)
        app
      end
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
      gemfile = File.join(directory, "Gemfile")
      Dir.chdir(directory) do
        use_gemfile(gemfile) if File.file?(gemfile)
        yield
      end
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
