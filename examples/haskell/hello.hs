{-# LANGUAGE CApiFFI, OverloadedStrings #-}

-- hello.hs - a servlet in Haskell.
--
-- What is used of modserver.h is imported here; runtime.c starts Haskell's
-- runtime, in each worker.  No exception leaves run.
--
--     curl 'localhost:8080/examples/haskell/hello.so?name=Ada'

module Hello (run) where

import Control.Exception (SomeException, displayException, handle)
import qualified Data.ByteString.Char8 as B
import Data.ByteString.Unsafe (unsafeUseAsCStringLen)
import Foreign.C.String (CString, withCString)
import Foreign.C.Types (CInt (..), CSize (..))
import Foreign.Ptr (Ptr, nullPtr)

data {-# CTYPE "modserver.h" "servlet" #-} Servlet

foreign import ccall get_arg :: Ptr Servlet -> CString -> IO CString
foreign import ccall rwrite :: Ptr Servlet -> CString -> CSize -> IO CSize
foreign import capi "modserver.h rlog" rlog :: Ptr Servlet -> CString -> CString -> IO ()

foreign export ccall run :: Ptr Servlet -> IO CInt

getArg :: Ptr Servlet -> B.ByteString -> IO (Maybe B.ByteString)
getArg s name = do
  value <- B.useAsCString name (get_arg s)
  if value == nullPtr then return Nothing else Just <$> B.packCString value

escaped :: B.ByteString -> B.ByteString
escaped = B.concatMap escape
  where
    escape '&' = "&amp;"
    escape '<' = "&lt;"
    escape '>' = "&gt;"
    escape c = B.singleton c

answer :: Ptr Servlet -> IO ()
answer s = do
  name <- maybe "world" escaped <$> getArg s "name"
  let text = B.concat ["Hello, ", name, ", from Haskell!\n"]
  _ <- unsafeUseAsCStringLen text (\(octets, count) -> rwrite s octets (fromIntegral count))
  return ()

run :: Ptr Servlet -> IO CInt
run s = handle failed (answer s >> return 0)
  where
    failed e = do
      withCString "%s" $ \format ->
        withCString (displayException (e :: SomeException)) (rlog s format)
      return (-1)
