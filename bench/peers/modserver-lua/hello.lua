return {
	run = function(self)
		self:rwrite("Hello, world!\n")
	end
}
